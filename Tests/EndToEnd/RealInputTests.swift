import FileSystem
import Glibc
import Runtime
import TestSupport
import Testing

/// Real input: every badge scan of a five-day conference, one gate per session. Publishers, center and broker are
/// killed and started again during the replay.
@Suite struct RealInputTests {
    @Test func conferenceIsStoredExactlyOnce() async throws {
        try await NamedThread.run("conference") {
            let trace = try Trace.conference()
            let servers = try OwnServers()
            let line = try SystemUnderTest(databaseURL: servers.databaseURL, amqpURL: servers.amqpURL)
            let scanners = try prepare(line, trace)
            try replay(trace, line, scanners, servers)
            for scanner in line.scanners {
                scanner.gate?.closeInput()
                #expect(try scanner.gate?.wait() == .exit(0), "gate \(scanner.id)")
            }
            try line.awaitAllStored()
            try check(line, trace)
            print("conferenceIsStoredExactlyOnce: \(trace.name), \(try line.stored()) scans stored")
        }
    }

    /// Registers zones, gates, scanners and delegates; the scanners get their snapshot from the running center.
    private func prepare(_ line: SystemUnderTest, _ trace: Trace) throws -> [String: Scanner] {
        var scanners: [String: Scanner] = [:]
        for (index, session) in trace.sessions.enumerated() {
            scanners[session] = try line.enrol("door-\(index + 1)", gate: "Door \(session)", zone: session)
        }
        let zones = trace.sessions.joined(separator: ";")
        let rows = trace.delegates.map { "\($0.uid),Delegate \($0.name),delegate,\(zones),\($0.name)" }
        try line.importing((["uid,name,category,zones,external_ref"] + rows).joined(separator: "\n") + "\n")
        try line.export()
        try line.startCenter()
        try line.awaitCenter()
        for scanner in line.scanners { try scanner.startPublisher() }
        for scanner in line.scanners {
            try eventually("\(scanner.id) has downloaded its snapshot") {
                scanner.snapshotVersion() > 0
            }
            try scanner.startGate()
        }
        return scanners
    }

    /// Taps the rows in order. After each fifth, a working program is killed.
    private func replay(
        _ trace: Trace, _ line: SystemUnderTest, _ scanners: [String: Scanner], _ servers: OwnServers
    ) throws {
        for (index, row) in trace.rows.enumerated() {
            guard let scanner = scanners[row.session] else { throw TestFailure("no scanner for \(row.session)") }
            try scanner.gate?.write("\(row.uid),in,\(row.time)\n")
            guard (index + 1) % (trace.rows.count / 5) == 0 else { continue }
            let storedBefore = try line.stored()
            switch (index + 1) / (trace.rows.count / 5) {
            case 1, 3:
                scanner.publisher?.kill()
                try scanner.startPublisher()
            case 2:
                line.center?.kill()
                try line.startCenter()
            case 4: try servers.command("restart-broker")
            default: break
            }
            // Scans are stored again before the next kill.
            try eventually("more than \(storedBefore) scans are stored") {
                try line.stored() > storedBefore
            }
        }
    }

    private func check(_ line: SystemUnderTest, _ trace: Trace) throws {
        let wrong = try line.checkExactlyOnce()
        #expect(wrong == [])
        #expect(try line.stored() == trace.rows.count)
        #expect(try line.database.query("SELECT DISTINCT verdict FROM tapline.scans") == ["0"])
        #expect(try line.scanners.reduce(0) { try $0 + $1.printed().count } == trace.rows.count)

        let perZone = try line.database.query(
            """
            SELECT z.name, count(DISTINCT t.attendee_id) FROM tapline.scans s
            JOIN tapline.tags t USING (tag_id) JOIN tapline.gates g ON g.id = s.gate_id
            JOIN tapline.zones z ON z.id = g.zone_id GROUP BY 1
            """)
        let expected = Dictionary(grouping: trace.rows, by: \.session)
            .map { "\($0)|\(Set($1.map(\.delegate)).count)" }
        #expect(perZone.sorted() == expected.sorted())

        let last = Dictionary(trace.rows.map { ($0.delegate, $0.session) }, uniquingKeysWith: { $1 })
        let presence = try line.database.query(
            """
            SELECT a.external_ref, z.name FROM tapline.presence p
            JOIN tapline.attendees a ON a.id = p.attendee_id JOIN tapline.zones z ON z.id = p.zone_id
            """)
        #expect(presence.sorted() == last.map { "\($0)|\($1)" }.sorted())

        let times = try line.database.query(
            """
            SELECT to_char(scanned_at AT TIME ZONE interval '-3 hours', 'YYYY-MM-DD HH24:MI:SS'), a.external_ref
            FROM tapline.scans JOIN tapline.tags t USING (tag_id) JOIN tapline.attendees a ON a.id = t.attendee_id
            """)
        #expect(times.sorted() == trace.rows.map { "\($0.localTime)|\($0.delegate)" }.sorted())
    }
}

/// Badge scans at the doors of sessions, in order of time.
struct Trace: Sendable {
    struct Row: Sendable {
        let delegate: String
        let session: String
        /// `2019-05-06 08:30:28`, at UTC-3.
        let localTime: String

        /// A 7-byte UID, as chips have.
        var uid: String { String(delegate.prefix(14)) }
        var time: String { localTime.split(separator: " ").joined(separator: "T") + "-03:00" }
    }

    /// The source of the rows, for messages.
    let name: String
    let rows: [Row]

    var sessions: [String] { Set(rows.map(\.session)).sorted() }
    var delegates: [(name: String, uid: String)] {
        Set(rows.map(\.delegate)).sorted().map { ($0, String($0.prefix(14))) }
    }

    /// The real trace if its file exists (`TAPLINE_SHARED`, or `../shared` beside the package), otherwise a similar
    /// one.
    static func conference() throws -> Trace {
        let shared = Environment.value("TAPLINE_SHARED") ?? Package.folder + "/../shared"
        guard let text = try? Files.readText(shared + "/data/sbrc2019.csv") else { return synthetic(seed: 2019) }
        let rows = try text.split(whereSeparator: \.isNewline).dropFirst().map { line in
            let fields = line.split(separator: ",").map(String.init)
            guard fields.count == 4 else { throw TestFailure("sbrc2019.csv: \(line)") }
            return Row(delegate: fields[0], session: fields[1], localTime: fields[3])
        }
        return Trace(name: "sbrc2019.csv", rows: rows)
    }

    /// 60 delegates at the doors of 8 sessions in two days. Some are scanned twice.
    private static func synthetic(seed: UInt64) -> Trace {
        var random = TestRandom(seed: seed)
        let delegates = (0..<60).map { _ in
            let digits = String(UInt64.random(in: .min ... .max, using: &random), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        var rows: [Row] = []
        for session in 0..<8 {
            let visitors = delegates.shuffled(using: &random).prefix(Int.random(in: 20...45, using: &random))
            let again = visitors.prefix(4)
            for (index, delegate) in (visitors + again).enumerated() {
                let time = "2019-05-0\(6 + session / 4) \(10 + session % 4 * 2):\(10 + index / 60):\(10 + index % 50)"
                rows.append(Row(delegate: delegate, session: "S-\(session)", localTime: time))
            }
        }
        // No two scans of one delegate share a second, because their order would be undefined.
        var seen: Set<String> = []
        return Trace(
            name: "synthetic trace",
            rows: rows.filter { seen.insert($0.localTime + $0.delegate).inserted }.sorted {
                $0.localTime < $1.localTime
            })
    }
}
