import Ingest
import Postgres
import Registry
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// Names, routing keys and alarms that forge rows and command terminals, in every list of the center.
@Suite struct HostileTextListTests {
    private static let name = "Hall\n 99  forged\u{1B}[2J\u{9B}31m\r\u{7}\u{202E}x\t1"
    private static let shown = "Hall\\u{A} 99  forged\\u{1B}[2J\\u{9B}31m\\u{D}\\u{7}\\u{202E}x\\u{9}1"

    private let world: RegistryFixture

    init() throws {
        world = try RegistryFixture()
        try world.setEvent { $0.name = "Fair" }
        let lane = try #require(ScannerID("lane-9"))
        _ = try world.registry.addScanner(lane, gate: "Door", zone: "Site")
        try world.import("uid,name,zones\n04a1b2c3,Ada,Site\n04a1b2c4,Ben,Site\n")
        try deliver(to: lane)
        // Another program with write access could have written them. The commands refuse such names.
        for table in ["zones", "gates", "event", "attendees", "passes"] {
            let condition = table == "attendees" ? " WHERE name = 'Ada'" : ""
            _ = try world.connection.query("UPDATE tapline.\(table) SET name = $1\(condition)", [.text(Self.name)])
        }
    }

    /// Sends a batch with a hostile routing key, and a heartbeat with a hostile alarm.
    private func deliver(to lane: ScannerID) throws {
        let now: Int64 = 1_795_392_000_000_000
        let store = try IngestStore(try world.database.connect(), relayUsers: [])
        let stray = IngestDelivery(
            routingKey: Array("scan.\(Self.name)".utf8), userID: "lane-9", body: Array("garbage".utf8),
            receivedMicros: now)
        var body: [UInt8] = []
        ScanBatch(
            heartbeatOf: lane, journalID: .random(), next: 1, gate: nil, snapshot: 0, sentMicros: now, backlog: 0,
            state: [
                "gate": .text("running"), "mode": .text("normal"), "alarms": .text("other"),
                "alarm.other": .text(Self.name),
            ]
        ).encode(into: &body)
        let heartbeat = IngestDelivery(
            routingKey: Array("scan.lane-9".utf8), userID: "lane-9", body: body, receivedMicros: now)
        let outcomes = try store.store([stray, heartbeat])
        #expect(outcomes.last == .accepted(stored: 0, duplicates: 0, conflicts: 0))
    }

    /// Runs a command, and expects that nothing in its output commands a terminal.
    private func shown(_ words: String...) throws -> [String] {
        let run = try Run.it("tapline-center", words + ["--database-url", world.database.url])
        #expect([.exit(0), .exit(1)].contains(run.end), "\(words): \(run.errors)")
        for line in run.lines {
            let stray = line.unicodeScalars.first { scalar in
                scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x202E
            }
            #expect(stray == nil, "\(words): \(line.debugDescription)")
            #expect(!line.hasPrefix(" 99  forged"), "\(words)")
        }
        return run.lines
    }

    @Test func listsHaveOneLineForEachRow() throws {
        let quarantined = try #require(try world.rows("SELECT id FROM tapline.quarantine").first)
        for (words, rows) in [
            (["zone", "list"], 1), (["gate", "list"], 1), (["scanner", "list"], 1), (["quarantine", "list"], 1),
        ] {
            let lines = try shown(words[0], words[1])
            #expect(lines.count == rows + 1, "\(words)")
            #expect(lines.contains { $0.contains(Self.shown.prefix(20)) }, "\(words)")
            let json = try shown(words[0], words[1], "--output", "json")
            #expect(json.count == 1 && json[0].contains(#"forged\u001b[2J\u009b31m\r\u0007\u202ex\t1"#), "\(words)")
        }
        #expect(try shown("quarantine", "show", quarantined).contains("routing_key: scan.\(Self.shown)"))
        _ = try shown("quarantine", "show", quarantined, "--output", "json")
        _ = try shown("quarantine", "replay", "--all")
    }

    @Test func statusAndCommandsShowNamesInOneLine() throws {
        #expect(try shown("status", "--all").contains { $0.contains(Self.shown) }, "the event's name")
        #expect(try shown("status", "--output", "json").count == 1)
        let tag = "\(world.tag(0x04, 0xA1, 0xB2, 0xC3))"
        #expect(try shown("tag", "revoke", "--tag", tag) == ["tag \(tag) of \(Self.shown) is lost"])
        #expect(try shown("event", "set", "--day-start", "05:00").first?.hasPrefix("event '\(Self.shown)', ID") == true)
        #expect(try shown("scanner", "add", "lane-9").first?.contains("lane-9") == true)
        #expect(try shown("scanner", "add", "lane-8", "--gate", Self.name).first?.contains(Self.shown) == true)
        _ = try shown("scanner", "remove", "lane-8")
        _ = try shown("tracking", "check")
        _ = try shown("gate", "remove", Self.name)
        _ = try shown("zone", "remove", Self.name)
    }
}
