import Crypto
import Postgres
import Registry
import Runtime
import Scans
import Support
import Testing

@Suite struct RegistryTests {
    private let database: TestDatabase
    private let connection: PostgresConnection
    private let registry: Registry
    private let key = EventKey([UInt8](repeating: 7, count: 32))!

    init() throws {
        database = try TestDatabase()
        connection = try database.connect()
        _ = try Migrator(connection).migrate()
        registry = try Registry(connection)
    }

    private func `import`(_ csv: String) throws -> Registry.Imported {
        try registry.import(try RegistrationList(csv: Array(csv.utf8), key: key))
    }

    private func refused(_ csv: String) throws -> [String] {
        let error = try #require(throws: RegistrationList.Refused.self) { try self.import(csv) }
        return error.problems.map(\.description)
    }

    private func rows(_ sql: String) throws -> [String] {
        let result = try connection.execute(sql)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalText(row, $0) ?? "-" }.joined(separator: "|")
        }
    }

    private func tag(_ uid: [UInt8]) -> Int64 { key.tagID(of: .uid(uid)).rawValue }

    @Test func `a list is imported, and importing it again changes nothing`() throws {
        let csv = #"""
            \#u{feff}uid,sun,code,name,category,zones,valid_from,valid_until,status,external_ref\#r
            04:A1:b2:c3,,,"Doe, ""Jane""",vip,Hall;Lobby,2026-05-06T08:00:00Z,,active,R-1\#r
            ,04a1b2c3,,Second,guest,Lobby;Hall,2026-05-06T12:00:00+04:00,,,R-2\#r

            ,,ABC-1,Third,,,,,blocked,\#r
            aabbccdd,,,"Doe, ""Jane""",vip,Hall;Lobby,2026-05-06T08:00:00Z,,active,R-1\#r
            """#
        let first = try self.import(csv)
        #expect(first.rows == 4 && first.added == 3 && first.tagsAdded == 4 && first.passesMade == 1)
        #expect(first.zonesMade == ["Hall", "Lobby"])
        let people = """
            SELECT a.name, category, status, external_ref, pass_id IS NULL,
                (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = a.id)
            FROM tapline.attendees a ORDER BY name
            """
        let expected = [
            #"Doe, "Jane"|vip|active|R-1|f|2"#, "Second|guest|active|R-2|f|1", "Third|-|blocked|-|t|1",
        ]
        #expect(try rows(people) == expected)
        #expect(
            try rows(
                """
                SELECT count(DISTINCT pass_id), count(*), min(z.name), max(z.name), min(valid_from), max(valid_until)
                FROM tapline.access a JOIN tapline.zones z ON z.id = a.zone_id
                """) == ["1|2|Hall|Lobby|2026-05-06 08:00:00+00|-"])
        let identities: [TagIdentity] = [
            .uid([0x04, 0xa1, 0xb2, 0xc3]), .sun([0x04, 0xa1, 0xb2, 0xc3]), .code("ABC-1"),
            .uid([0xaa, 0xbb, 0xcc, 0xdd]),
        ]
        #expect(
            try rows("SELECT tag_id FROM tapline.tags ORDER BY tag_id")
                == identities.map { key.tagID(of: $0).rawValue }.sorted().map(String.init))
        let again = try self.import(csv)
        #expect(again.added == 0 && again.changed == 0 && again.unchanged == 3 && again.tagsAdded == 0)
        #expect(again.passesMade == 0 && again.zonesMade.isEmpty)
        #expect(try rows(people) == expected)
    }

    @Test func `a second list changes what it has columns for`() throws {
        _ = try self.import("uid,name,category,zones,external_ref\n01,Ann,vip,Hall,R-1\n02,Ben,guest,Hall,R-2\n")
        let done = try self.import("uid,name,status,external_ref\n03,Anna,blocked,R-1\n02,Ben,,R-2\n04,Cleo,,R-3")
        #expect(done.added == 1 && done.changed == 1 && done.unchanged == 1 && done.tagsAdded == 2)
        #expect(
            try rows(
                """
                SELECT a.name, category, a.status, pass_id IS NULL, count(t) FROM tapline.attendees a
                JOIN tapline.tags t ON t.attendee_id = a.id GROUP BY a.id ORDER BY a.name
                """) == ["Anna|vip|blocked|f|2", "Ben|guest|active|f|1", "Cleo|-|active|t|1"])
        // A reference that comes later is taken by the attendee of that tag and name.
        _ = try self.import("uid,name\n05,Dan\n")
        let adopted = try self.import("uid,name,external_ref\n05,Dan,R-5\n")
        #expect(adopted.added == 0 && adopted.changed == 1)
    }

    @Test func `every bad row is named by its line, and nothing is stored`() throws {
        let problems = try refused(
            """
            uid,name,zones,pass,valid_from,valid_until,status,external_ref
            01,Good,Hall,,,,,
            0,Odd hex,Hall,,,,,
            02,,Hall,,,,,
            03,Few
            04,"Multi
            line",Hall,,,,asleep,
            05,Time,Hall,,yesterday,,,
            06,Order,Hall,,2026-05-06T08:00:00Z,2026-05-06T08:00:00Z,,
            07,Both,Hall,VIP,,,,
            ,Nobody,Hall,,,,,
            01,Thief,Hall,,,,,
            08,Ref,Hall,,,,,R
            09,Other,Hall,,,,,R
            0a,Times,,,2026-05-06T08:00:00Z,,,
            0b,"Quote"x,,,,,,
            """)
        // Line 7 is the second half of a quoted name.
        let lines = problems.map { Int($0.dropFirst(5).prefix { $0 != ":" }) }
        #expect(lines == [3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16])
        #expect(problems.contains("line 12: the tag of Thief is already that of Good in line 2"))
        #expect(try rows("SELECT count(*) FROM tapline.attendees") == ["0"])
        #expect(try rows("SELECT count(*) FROM tapline.zones") == ["0"])
        #expect(try refused("uid,name,shoe\n").first?.contains("unknown column 'shoe'") == true)
        #expect(try refused("uid,uid,name\n").first?.contains("twice") == true)
        #expect(try refused("name\nx\n").first?.contains("needed") == true)
        #expect(try refused("").first?.contains("empty") == true)
        #expect(try refused("uid,name\n01,\"open").first?.contains("never closed") == true)
        #expect(try refused("uid,name,pass\n01,Ann,Gold\n").first == "line 2: there is no pass 'Gold'")
        let many = try #require(throws: RegistrationList.Refused.self) {
            try self.import("uid,name\n" + String(repeating: "xyz,Ann\n", count: 200))
        }
        #expect(many.count == 200 && many.problems.count == RegistrationList.Refused.limit)
    }

    @Test func `a tag of somebody else is refused, with both named`() throws {
        _ = try self.import("uid,name,external_ref\n01,Ann,R-1\n02,Ben,\n")
        #expect(
            try refused("uid,name,external_ref\n01,Cleo,R-3\n02,Dan,\n") == [
                "line 2: the tag of Cleo already belongs to Ann (external_ref R-1) in the database",
                "line 3: the tag of Dan already belongs to Ben in the database",
            ])
        #expect(try rows("SELECT name FROM tapline.attendees ORDER BY name") == ["Ann", "Ben"])
    }

    @Test func `forty thousand rows take seconds`() throws {
        var csv = "uid,name,category,zones,status,external_ref\n"
        for number in 1...40_000 {
            let uid = String(0x0400_0000 + number, radix: 16)
            csv += "0\(uid),Person \(number),guest,Festival;Stage \(number % 9),,D-\(number)\n"
        }
        let list = try RegistrationList(csv: Array(csv.utf8), key: key)
        let start = SystemClock.monotonicMs()
        let done = try registry.import(list)
        #expect(done.added == 40_000 && done.tagsAdded == 40_000 && done.passesMade == 9)
        #expect(SystemClock.monotonicMs() - start < 20_000)
    }

    @Test func `scanners are enrolled with gate and zone, counted in quarantine, and removed`() throws {
        let id = try #require(ScannerID("lane-1"))
        try connection.execute(
            """
            INSERT INTO tapline.quarantine (routing_key, scanner_id, reason, sha256, body)
                VALUES ('scan.lane-1', 'lane-1', 'unknown-scanner', sha256('x'), 'x')
            """)
        #expect(throws: ProgramError.self) { try registry.addScanner(id, gate: "Main", zone: nil) }
        #expect(try registry.addScanner(id, gate: "Main", zone: "Festival") == 1)
        #expect(throws: ProgramError.self) { try registry.addScanner(id, gate: "Main", zone: "Elsewhere") }
        let other = try #require(ScannerID("lane-2"))
        #expect(try registry.addScanner(other, gate: "Main", zone: nil) == 0)
        #expect(
            try rows(
                """
                SELECT s.id, g.name, z.name, enabled FROM tapline.scanners s JOIN tapline.gates g ON g.id = s.gate_id
                JOIN tapline.zones z ON z.id = g.zone_id ORDER BY s.id
                """) == ["lane-1|Main|Festival|t", "lane-2|Main|Festival|t"])
        try connection.execute("INSERT INTO tapline.journals (log, scanner_id) VALUES (gen_random_uuid(), 'lane-1')")
        #expect(try registry.removeScanner(id) == .disabled)
        #expect(try registry.removeScanner(other) == .deleted)
        #expect(throws: ProgramError.self) { try registry.removeScanner(other) }
        #expect(try rows("SELECT id, enabled FROM tapline.scanners") == ["lane-1|f"])
        _ = try registry.addScanner(id, gate: nil, zone: nil)
        #expect(try rows("SELECT id, enabled, gate_id IS NULL FROM tapline.scanners") == ["lane-1|t|f"])
    }

    @Test func `event, zones and gates are set, and what is wrong says so`() throws {
        #expect(throws: ProgramError.self) { try registry.setEvent(name: nil, timeZone: "Asia/Dubai", dayStart: nil) }
        try registry.setEvent(name: "Desert", timeZone: "Asia/Dubai", dayStart: nil)
        try registry.setEvent(name: nil, timeZone: nil, dayStart: "05:30")
        #expect(throws: ProgramError.self) {
            try registry.setEvent(name: nil, timeZone: "Mars/Olympus", dayStart: nil)
        }
        #expect(throws: ProgramError.self) { try registry.setEvent(name: nil, timeZone: nil, dayStart: "25:00") }
        #expect(try rows("SELECT name, time_zone, day_start FROM tapline.event") == ["Desert|Asia/Dubai|05:30:00"])

        try registry.addZone("Site", parent: nil, capacity: 1_000)
        try registry.addZone("Hall", parent: "Site", capacity: nil)
        for (name, word) in [("Hall", "exists"), ("A;B", "';'"), ("", "empty")] {
            let error = try #require(throws: ProgramError.self) {
                try registry.addZone(name, parent: nil, capacity: nil)
            }
            #expect(error.code == .failed && error.description.contains(word))
        }
        #expect(throws: ProgramError.self) {
            try registry.setZone("Site", newName: nil, parent: .set("Hall"), capacity: .keep)
        }
        let itself = try #require(throws: ProgramError.self) {
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
            let error = try #require(throws: ProgramError.self) {
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

    @Test func `a lost tag is revoked, and replaced`() throws {
        _ = try self.import("uid,name\n01,Ann\n02,Ben\n")
        #expect(try registry.setTag(TagID(rawValue: tag([1])), .void) == "Ann")
        #expect(throws: ProgramError.self) { try registry.setTag(TagID(rawValue: 5), .lost) }
        #expect(throws: ProgramError.self) {
            try registry.replaceTag(TagID(rawValue: tag([1])), by: TagID(rawValue: tag([2])))
        }
        #expect(try registry.replaceTag(TagID(rawValue: tag([1])), by: TagID(rawValue: tag([3]))) == "Ann")
        #expect(
            try rows(
                """
                SELECT t.status, count(*) FROM tapline.tags t JOIN tapline.attendees a ON a.id = t.attendee_id
                WHERE a.name = 'Ann' GROUP BY t.status ORDER BY t.status
                """) == ["active|1", "lost|1"])
        // Importing the list again does not bring the lost tag back.
        _ = try self.import("uid,name\n01,Ann\n02,Ben\n")
        #expect(try rows("SELECT status FROM tapline.tags WHERE tag_id = \(tag([1]))") == ["lost"])
    }
}
