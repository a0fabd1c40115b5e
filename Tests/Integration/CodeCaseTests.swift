import Postgres
import RegistrationLists
import Runtime
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import Registry
@testable import SnapshotExport

/// The event's rule for the case of letters in codes, from the event to the snapshot.
@Suite struct CodeCaseTests {
    @Test func ruleIsStoredAndTagsOfTheFormerRuleAreCounted() throws {
        let world = try RegistryFixture()
        #expect(throws: RegistryError.eventNameMissing) { try world.setEvent { $0.codeCase = .fold } }
        try world.setEvent { $0.name = "Fair" }
        #expect(try world.registry.codeCase() == .exact)
        try world.import("code,name\nABC,A\n")
        let refused = try world.rejected { try world.setEvent { $0.codeCase = .fold } }
        #expect(refused == .codeCaseInUse(tags: 1, .exact, wanted: .fold))
        #expect(try world.registry.codeCase() == .exact)
        let facts = try world.setEvent { ($0.codeCase, $0.allowsUnknownTags) = (.fold, true) }
        #expect(facts.tagsOfFormerCodeCase == 1 && facts.codeCase == .fold)
        #expect(try world.registry.codeCase() == .fold)
        #expect(try world.setEvent { $0.codeCase = .fold }.tagsOfFormerCodeCase == 0, "the rule is unchanged")
        // The tag IDs by the new rule are those of a new import.
        func list(_ text: String) throws -> RegistrationCSV {
            RegistrationCSV(try world.write(text), RegistrationCSV.Identities(key: world.key.with(.fold)))
        }
        #expect(throws: ImportRejected.self) { try world.registry.import(list("code,name\nABC,A\nabc,B\n")) }
        #expect(try world.registry.import(list("code,name\nABC,A\n")).tagsAdded == 1)
        #expect(try world.registry.import(list("code,name\nabc,A\n")).tagsAdded == 0)
    }

    @Test func statusNamesTheRule() throws {
        let world = try RegistryFixture()
        try world.setEvent { $0.name = "Fair" }
        func line() throws -> String? {
            try Run.reporting("tapline-center", ["status", "--all", "--database-url", world.database.url]).lines.first {
                $0.hasPrefix("code case ")
            }
        }
        #expect(try line()?.hasSuffix(" exact") == true)
        try world.setEvent { $0.codeCase = .fold }
        #expect(try line()?.hasSuffix(" fold") == true)
    }

    @Test func snapshotCarriesRuleAndIsMadeAgainWhenItChanges() throws {
        let fair = try ExportFixture()
        let service = SnapshotService(databaseURL: fair.database.url, fair.settings, schedule: nil)
        let first = try service.export(freshSinceS: 0)
        #expect(try fair.open(first.manifest).codeCase == .exact)
        #expect(try !service.export(freshSinceS: 0).isNew)
        try fair.connection.execute("UPDATE tapline.event SET code_case = 'fold'")
        let second = try service.export(freshSinceS: 0)
        #expect(second.isNew && second.manifest.content == first.manifest.content)
        #expect(try fair.open(second.manifest).codeCase == .fold)
        #expect(try fair.check() == second.manifest)
        #expect(second.manifest.deltas?.map(\.from) == [first.manifest.version], "a delta carries the rule")
    }
}
