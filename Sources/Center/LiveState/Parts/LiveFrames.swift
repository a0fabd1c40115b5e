import LinuxSystem
import Runtime

/// Makes the frames: puts the parts together, and keeps since when each alarm is on.
struct LiveFrames: Sendable {
    private var seq: Int64 = 0
    private var alarms = LiveAlarms()

    /// Returns the next frame, JSON in one line. All its times are of the clock of the database.
    ///
    /// - Parameter nowMicros: the time of this machine.
    mutating func next(_ contents: LiveBoard.Contents, _ sources: LiveState.Sources, nowMicros: Int64) -> [UInt8] {
        seq += 1
        let aheadMicros = contents.clockAheadMicros
        let broker = sources.broker()
        var database = sources.database()
        // The state is read every second, so it notices first.
        if let failed = contents.failedSinceMicros, database.isConnected {
            database = LiveState.Server(
                isConnected: false, sinceS: failed / 1_000_000, problem: "the database does not answer")
        }
        var current = contents.alarms
        if database.isConnected { current += contents.late.map(LiveFrames.alarm) }
        if !broker.isConnected { current.append(LiveAlarm(id: "broker-away", level: .alarm)) }
        if !database.isConnected { current.append(LiveAlarm(id: "database-away", level: .alarm)) }
        let queues = sources.queues()
        if let dead = queues.dead, dead > 0 {
            current.append(LiveAlarm(id: "dead-letters", level: .alarm, arguments: "{\"n\":\(dead)}"))
        }
        let centers = database.isConnected ? contents.text("centers", .ingest) : "null"
        let begun = alarms.update(
            current, unknown: contents.unknown, nowMicros: nowMicros, aheadMicros: aheadMicros)
        let members = [
            "\"v\":1", "\"seq\":\(seq)", "\"at\":\(LiveJSON.time(nowMicros + aheadMicros))",
            "\"period_ms\":\(contents.periodMs)",
            "\"event\":\(contents.text("event", .ingest))",
            "\"servers\":{\"broker\":\(json(broker, aheadMicros)),\"database\":\(json(database, aheadMicros)),"
                + "\"centers\":\(centers)}",
            "\"zones\":\(contents.text("zones", .counts))", "\"gates\":\(contents.text("gates", .counts))",
            "\"sparks\":\(contents.text("sparks", .flow))", "\"arrivals\":\(contents.text("arrivals", .flow))",
            "\"refused\":\(contents.text("refused", .flow))", "\"doubles\":\(contents.text("doubles", .flow))",
            "\"fleet\":\(contents.text("fleet", .fleet))", "\"ingest\":\(ingest(contents, queues))",
            "\"alarms\":\(begun)",
        ]
        // A line feed in a text is escaped, so this one is between two values.
        return Array("{\(members.joined(separator: ","))}".utf8).filter { $0 != UInt8(ascii: "\n") }
    }

    /// Numbers that stop are an alarm: counts and their alarms would vanish in silence.
    private static func alarm(_ late: LiveBoard.Late) -> LiveAlarm {
        LiveAlarm(
            id: "\(late.part.rawValue)-late", level: late.part == .counts ? .alarm : .warn,
            arguments: "{\"age_s\":\(LiveJSON.number(late.ageS))}")
    }

    private func json(_ server: LiveState.Server, _ aheadMicros: Int64) -> String {
        "{\"ok\":\(server.isConnected),\"since\":\(LiveJSON.time(server.sinceS * 1_000_000 + aheadMicros)),"
            + "\"problem\":\(LiveJSON.text(server.problem))}"
    }

    /// The members from the database, after those from memory.
    private func ingest(_ contents: LiveBoard.Contents, _ queues: LiveState.Queues) -> String {
        let stored = contents.text("ingest", .ingest)
        guard stored.hasPrefix("{\"as_of\":"), let comma = stored.firstIndex(of: ",") else { return "null" }
        return stored[..<comma] + ",\"queue_ready\":\(LiveJSON.number(queues.ready.map { Int64($0) })),"
            + "\"queue_unacked\":\(LiveJSON.number(queues.unacked.map { Int64($0) })),"
            + "\"scans_s\":\(LiveJSON.number(contents.scansS)),"
            + "\"dead\":\(LiveJSON.number(queues.dead.map { Int64($0) }))" + stored[comma...]
    }
}
