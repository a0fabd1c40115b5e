import Postgres
import RegistrationLists
import ScanModel
import TestSupport
import Testing

@testable import Registry

/// The same text in two Unicode forms: composed (NFC) and decomposed (NFD), which some systems write.
@Suite struct RegistryUnicodeTests {
    private let world: RegistryFixture
    private static let (nfc, nfd) = ("Caf\u{e9}", "Cafe\u{301}")

    init() throws { world = try RegistryFixture() }

    private func decomposed() throws -> Int {
        try ["event", "zones", "gates", "passes", "attendees"].reduce(0) { sum, table in
            let texts = table == "attendees" ? "concat(name, category, external_ref)" : "name"
            let found = try world.rows("SELECT count(*) FROM tapline.\(table) WHERE \(texts) IS NOT NFC NORMALIZED")
            return sum + (Int(found[0]) ?? 0)
        }
    }

    @Test func passOfTheOtherFormIsChangedAndStored() throws {
        try world.importPasses("name,colour,zone\n\(Self.nfc),green,\(Self.nfc)\n")
        let done = try world.importPasses("name,colour,zone\n\(Self.nfd),red,\(Self.nfd)\n")
        #expect(done.passesMade == 0 && done.passesChanged == 1 && done.zonesMade.isEmpty)
        #expect(try world.rows("SELECT name, colour FROM tapline.passes") == ["\(Self.nfc)|red"])
        #expect(try decomposed() == 0)
    }

    @Test func listOfTheOtherFormChangesNothing() throws {
        func list(_ text: String) -> String {
            "external_ref,tag_id,name,category,zones\n\(text),1,\(text),\(text),\(text);B\n,2,\(text) 2,,\(text)\n"
        }
        #expect(try world.import(list(Self.nfd)).added == 2)
        #expect(try decomposed() == 0)
        let picture = try world.picture()
        #expect(try world.import(list(Self.nfc)).unchanged == 2)
        #expect(try world.import(list(Self.nfd)).unchanged == 2)
        #expect(try world.picture() == picture)
    }

    @Test func rowsOfOneReferenceInBothFormsAreOneAttendee() throws {
        let done = try world.import("external_ref,tag_id,name\n\(Self.nfd),1,A\n\(Self.nfc),2,A\n")
        #expect(done.added == 1 && done.tagsAdded == 2)
    }

    @Test func placesAreFoundByTheOtherForm() throws {
        try world.setEvent { $0.name = Self.nfd }
        try world.registry.addZone(Self.nfd, parent: nil, capacity: nil)
        try world.registry.addZone("Bar", parent: Self.nfc, capacity: nil)
        try world.registry.addGate(Self.nfd, zone: Self.nfc, fromZone: nil, policy: nil)
        try world.registry.setGate(Self.nfd, newName: nil, zone: "Bar", fromZone: .set(Self.nfd), policy: nil)
        try world.registry.setZone(Self.nfd, newName: "\(Self.nfd) 2", parent: .keep, capacity: .set(9))
        #expect(throws: RegistryError.self) {
            try world.registry.addZone("\(Self.nfc) 2", parent: nil, capacity: nil)
        }
        #expect(try decomposed() == 0)
        #expect(try world.rows("SELECT name, capacity FROM tapline.zones ORDER BY id") == ["\(Self.nfc) 2|9", "Bar|-"])
    }

    @Test func scannerOfGateInTheOtherFormMakesNoGate() throws {
        _ = try world.registry.addScanner(#require(.init("a")), gate: Self.nfc, zone: Self.nfc)
        _ = try world.registry.addScanner(#require(.init("b")), gate: Self.nfd, zone: Self.nfd)
        #expect(try world.rows("SELECT name FROM tapline.gates") == [Self.nfc])
    }

    @Test func plainSQLIsStoredComposed() throws {
        try world.connection.execute(
            """
            INSERT INTO tapline.zones (name) VALUES ('\(Self.nfd)'), ('B');
            UPDATE tapline.zones SET name = '\(Self.nfd) 2' WHERE name = 'B';
            INSERT INTO tapline.attendees (name, category, external_ref)
                VALUES ('\(Self.nfd)', '\(Self.nfd)', '\(Self.nfd)')
            """)
        #expect(try decomposed() == 0)
    }
}
