import ErrorModel
import Postgres
import Registry
import ScanModel
import TestSupport
import Testing

@Suite struct RegistryTests {
    private let world: RegistryFixture
    private var connection: PostgresConnection { world.connection }
    private var registry: RegistryStore { world.registry }

    init() throws { world = try RegistryFixture() }

    private func rows(_ sql: String) throws -> [String] { try world.rows(sql) }

    @Test func scannerIsEnrolledWithGateAndZoneAndRemoved() throws {
        let id = try #require(ScannerID("lane-1"))
        try connection.execute(
            """
            INSERT INTO tapline.quarantine (routing_key, scanner_id, reason, sha256, body)
                VALUES ('scan.lane-1', 'lane-1', 'unknown-scanner', sha256('x'), 'x')
            """)
        #expect(throws: RegistryError.self) { try registry.addScanner(id, gate: "Main", zone: nil) }
        #expect(try registry.addScanner(id, gate: "Main", zone: "Festival").waiting == 1)
        #expect(throws: RegistryError.self) { try registry.addScanner(id, gate: "Main", zone: "Elsewhere") }
        let other = try #require(ScannerID("lane-2"))
        #expect(try registry.addScanner(other, gate: "Main", zone: nil).waiting == 0)
        #expect(
            try rows(
                """
                SELECT s.id, g.name, z.name, enabled FROM tapline.scanners s JOIN tapline.gates g ON g.id = s.gate_id
                JOIN tapline.zones z ON z.id = g.zone_id ORDER BY s.id
                """) == ["lane-1|Main|Festival|t", "lane-2|Main|Festival|t"])
        try connection.execute("INSERT INTO tapline.journals (log, scanner_id) VALUES (gen_random_uuid(), 'lane-1')")
        #expect(try registry.removeScanner(id) == .disabled)
        #expect(try registry.removeScanner(other) == .deleted)
        #expect(throws: RegistryError.self) { try registry.removeScanner(other) }
        #expect(try rows("SELECT id, enabled FROM tapline.scanners") == ["lane-1|f"])
        _ = try registry.addScanner(id, gate: nil, zone: nil)
        #expect(try rows("SELECT id, enabled, gate_id IS NULL FROM tapline.scanners") == ["lane-1|t|f"])
    }

    @Test func scannerThatIsEnrolledAgainSaysWhatChanged() throws {
        func add(_ options: String...) throws -> String {
            let run = try Run.succeeding(
                "tapline-center", ["scanner", "add", "lane-1", "--database-url", world.database.url] + options)
            return run.lines.joined()
        }
        let new = try add("--gate", "North", "--zone", "Festival")
        #expect(new.hasPrefix("scanner lane-1 is enrolled, gate 'North'; "))
        #expect(try add("--gate", "North").hasPrefix("scanner lane-1 was enrolled before: unchanged; "))
        #expect(try add("--gate", "East 2", "--zone", "Festival").contains("before: gate 'North' -> 'East 2'; "))
        try connection.execute("UPDATE tapline.scanners SET enabled = false")
        #expect(try add().contains("before: enabled again; "))
        try connection.execute("UPDATE tapline.scanners SET gate_id = NULL, enabled = false")
        #expect(try add("--gate", "North").contains("before: gate none -> 'North', enabled again; "))
    }

    @Test func eventZonesAndGatesAreSetOrRejectedWithReason() throws {
        #expect(throws: RegistryError.self) { try world.setEvent { $0.timeZone = "Asia/Dubai" } }
        try world.setEvent { ($0.name, $0.timeZone) = ("Desert", "Asia/Dubai") }
        try world.setEvent { $0.dayStart = "05:30" }
        #expect(throws: RegistryError.self) { try world.setEvent { $0.timeZone = "Mars/Olympus" } }
        #expect(throws: RegistryError.self) { try world.setEvent { $0.dayStart = "25:00" } }
        #expect(try rows("SELECT name, time_zone, day_start FROM tapline.event") == ["Desert|Asia/Dubai|05:30:00"])

        try registry.addZone("Site", parent: nil, capacity: 1_000)
        try registry.addZone("Hall", parent: "Site", capacity: nil)
        for (name, word) in [("Hall", "exists"), ("A;B", "';'"), ("", "empty")] {
            let error = try #require(throws: RegistryError.self) {
                try registry.addZone(name, parent: nil, capacity: nil)
            }
            #expect(error.category == .failure && error.description.contains(word))
        }
        #expect(throws: RegistryError.self) {
            try registry.setZone("Site", newName: nil, parent: .set("Hall"), capacity: .keep)
        }
        let itself = try #require(throws: RegistryError.self) {
            try registry.setZone("Site", newName: nil, parent: .set("Site"), capacity: .keep)
        }
        #expect(itself.description.contains("within itself"))
        try registry.setZone("Hall", newName: "Great Hall", parent: .clear, capacity: .set(5))
        #expect(
            try rows("SELECT name, parent_id, capacity FROM tapline.zones ORDER BY id") == [
                "Site|-|1000", "Great Hall|-|5",
            ])

        try registry.addGate("Door", zone: "Great Hall", fromZone: "Site", policy: nil)
        for policy in ["{", "[]", #"{"antipassback":"timed"}"#] {
            let error = try #require(throws: RegistryError.self) {
                try registry.setGate("Door", newName: nil, zone: nil, fromZone: .keep, policy: policy)
            }
            #expect(error.description.contains("policy"))
        }
        try registry.setGate(
            "Door", newName: "Gate", zone: "Site", fromZone: .clear, policy: #"{"antipassback":"hard"}"#)
        #expect(
            try rows("SELECT name, zone_id, from_zone_id, policy FROM tapline.gates") == [
                #"Gate|1|-|{"antipassback": "hard"}"#
            ])
    }
}
