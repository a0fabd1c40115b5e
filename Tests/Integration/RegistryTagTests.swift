import FileSystem
import Minisign
import ScanModel
import SnapshotExport
import Snapshots
import TestSupport
import Testing

@testable import RegistrationLists
@testable import Registry

@Suite struct RegistryTagTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private func id(_ uid: UInt8) -> TagID { world.key.tagID(of: .uid([uid])) }

    @Test func lostTagIsRevokedAndReplaced() throws {
        try world.import("uid,name\n01,Ann\n02,Ben\n")
        #expect(try world.registry.setTag(id(1), .void) == "Ann")
        #expect(throws: RegistryError.self) { try world.registry.setTag(TagID(rawValue: 5), .lost) }
        #expect(throws: RegistryError.self) { try world.registry.replaceTag(id(1), by: id(2)) }
        #expect(throws: RegistryError.self) { try world.registry.replaceTag(id(1), by: id(1)) }
        #expect(try world.registry.replaceTag(id(1), by: id(3)) == "Ann")
        #expect(
            try world.rows(
                """
                SELECT t.status, count(*) FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
                WHERE a.name = 'Ann' GROUP BY t.status ORDER BY t.status
                """) == ["active|1", "lost|1"])
        // Importing the list again does not make the lost tag active.
        try world.import("uid,name\n01,Ann\n02,Ben\n")
        #expect(try world.rows("SELECT status FROM tapline.tags WHERE tag_id = \(id(1).rawValue)") == ["lost"])
    }

    @Test func replacementByACodeFollowsTheRulesOfLists() throws {
        try world.import("code,name\nOLD,Ann\n")
        let key = TemporaryFolder("tag")
        try Files.writeAtomically(Array(UInt8(7)..<39), to: key.file("event.key"), mode: 0o600)
        func replace(_ code: String) throws -> Run {
            try Run.it(
                "tapline-center",
                [
                    "tag", "replace", "--database-url", world.database.url, "--event-key-file", key.file("event.key"),
                    "--code", "OLD", "--new-code", code,
                ])
        }
        for (code, words) in [
            ("1.23E+15", "--new-code 1.23E+15 was rounded by a spreadsheet"), ("#N/A", "is an error value"),
            ("A\u{200B}B", "U+200B"),
        ] {
            let refused = try replace(code)
            #expect(refused.end == .exit(64) && refused.errors.contains(words), "\(refused.errors)")
        }
        #expect(try world.rows("SELECT count(*) FROM tapline.tags") == ["1"])
        let done = try replace(" NEW\n")
        #expect(done.end == .exit(0), "\(done.errors)")
        let id = world.key.tagID(of: .code("NEW"))
        #expect(try world.rows("SELECT tag_id FROM tapline.tags WHERE status = 'active'") == ["\(id.rawValue)"])
    }

    @Test func snapshotHasNewTagActiveAndOldTagLost() throws {
        try world.import(
            "uid,name,zones,external_ref\n01,Ann,Hall,R-1\n02,Ann,Hall,R-1\n03,Ben,Hall,R-2\n04,Cem,Hall,R-3\n")
        _ = try world.registry.replaceTag(id(1), by: id(5))
        _ = try world.registry.setTag(id(3), .lost)
        try world.import("uid,name,zones,external_ref\n06,Cem,Hall,R-3\n01,Ann,Hall,R-1\n02,Ann,Hall,R-1\n") {
            ($0.voidMissing, $0.replaceTags, $0.allowShrink) = (true, true, true)
        }
        let folder = TemporaryFolder("tags")
        var settings = SnapshotExporter.Settings(folder: folder.path, key: try MinisignSecretKey.generate())
        settings.event = "Fair"
        let export = SnapshotExporter(databaseURL: world.database.url, settings)
        let manifest = try export.run().manifest
        let snapshot = try Snapshot(path: folder.file(manifest.file))
        var statuses: [TagID: Attendee.Status] = [:]
        try snapshot.forEachAttendee { statuses[$0] = $1.status }
        // Tag 5 was assigned manually; with `replaceTags` the list has priority.
        #expect(
            statuses == [
                id(1): .lost, id(2): .active, id(3): .lost, id(4): .lost, id(5): .lost, id(6): .active,
            ])
        _ = try world.registry.setTag(id(5), .active)
        _ = try world.registry.setTag(id(3), .active)
        let next = try Snapshot(
            path: folder.file(try export.run().manifest.file))
        try next.forEachAttendee { statuses[$0] = $1.status }
        // Ben is void, because he was not in the list.
        #expect(statuses[id(5)] == .active && statuses[id(1)] == .lost && statuses[id(3)] == .void)
    }
}
