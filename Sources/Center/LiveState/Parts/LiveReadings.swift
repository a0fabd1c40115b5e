import FoundationEssentials
import LinuxSystem
import Runtime
import Synchronization

/// The numbers of the live state for metrics. Any thread may use it; it never blocks.
final class LiveReadings: Sendable {
    // The names are those of the members in the frame.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Zone: Decodable, Sendable {
        var name: String
        var inside_total, lanes, lanes_silent, lanes_late, busy_at, full_at: Int64
        var capacity, unsent: Int64?
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Gate: Decodable, Sendable {
        var id: Int64
        var name: String
        var in_day, out_day, refused_day: Int64
        var open, free, closed, silent: Int64?
        var last_tap: String?
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Ingest: Decodable, Sendable {
        struct Snapshot: Decodable, Sendable {
            var version, age_s, expires_s: Int64?
        }
        var as_of: String
        var quarantine_batches, quarantine_full_owners, gaps, tracking_lag_ms: Int64
        var snapshot: Snapshot

        /// Seconds since 1970-01-01 UTC.
        var asOfS: Double? { UTCTime.microseconds(as_of).map { Double($0) / 1e6 } }
    }
    struct Arrivals: Decodable, Sendable {
        var arrived, expected: Int64
    }
    struct Doubles: Decodable, Sendable {
        var settled, unsettled: Int64
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct Event: Decodable, Sendable {
        var day, day_start: String
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct Rows<Row: Decodable & Sendable>: Decodable {
        var as_of: String
        var rows: [Row]
    }
    private struct Counted {
        var atMs: Int64 = -1
        var zones: [Zone] = []
        var gates: [Gate] = []
        var drops: [String: Bool?] = [:]
        var asOfMicros: Int64?
    }
    /// A decoded member of the state. A member that cannot be decoded is kept as `nil`.
    private struct Decoded {
        var atMs: Int64
        var value: (any Sendable)?
    }
    private struct Held {
        var day: String?
        var values: [String: Int64] = [:]
    }

    private let board: LiveBoard
    private let asked: Mailbox<Bool>
    private let counted = Mutex(Counted())
    private let decoded = Mutex<[String: Decoded]>([:])
    private let heldCounts = Mutex(Held())

    /// - Parameters:
    ///   - board: what is known.
    ///   - asked: wakes the computing thread.
    init(_ board: LiveBoard, _ asked: Mailbox<Bool>) {
        self.board = board
        self.asked = asked
    }

    /// Age of each part since it was last computed, in milliseconds. It grows while the part is not computed.
    var ages: [LivePart: Int64] { board.ages(nowMs: SystemClock.monotonicMs()) }

    /// What is known now, and the time in monotonic milliseconds.
    var contents: (LiveBoard.Contents, Int64) {
        let nowMs = SystemClock.monotonicMs()
        defer { asked.send(true) }
        return (board.scrape(nowMs: nowMs), nowMs)
    }

    var zones: [Zone] { counts.zones }
    var gates: [Gate] { counts.gates }
    /// Whether the flow of a gate has dropped, by its ID; `nil`: unknown.
    var drops: [String: Bool?] { counts.drops }
    var fleet: LiveFleet? { contents.0.items[.fleet]?.result.fleet }
    var ingest: Ingest? { part("ingest", .ingest) }
    var arrivals: Arrivals? { part("arrivals", .flow) }
    var doubles: Doubles? { part("doubles", .flow) }

    /// Returns a count of the event day that never decreases within the day, because a smaller counter means a restart.
    /// An annulment makes the count smaller. The day changes with the first counts that were computed in it.
    func held(_ name: String, _ gate: Int64, _ count: Int64) -> Double {
        let event: Event? = part("event", .ingest)
        let (countedMicros, startMicros) = (counts.asOfMicros, event.flatMap { UTCTime.microseconds($0.day_start) })
        let isCountedIn = countedMicros.flatMap { counted in startMicros.map { counted >= $0 } } == true
        return heldCounts.withLock { held in
            if let day = event?.day, held.day != day, isCountedIn { held = Held(day: day) }
            let key = "\(name) \(gate)"
            let value = max(count, held.values[key] ?? 0)
            held.values[key] = value
            return Double(value)
        }
    }

    /// A member of a part. It is decoded once for each computation.
    private func part<Value: Decodable & Sendable>(_ name: String, _ part: LivePart) -> Value? {
        guard let item = contents.0.items[part] else { return nil }
        return decoded.withLock { decoded in
            if let known = decoded[name], known.atMs == item.atMs { return known.value as? Value }
            let value: Value? = decode(item.result.texts[name])
            decoded[name] = Decoded(atMs: item.atMs, value: value)
            return value
        }
    }

    /// Decoded once for all metrics of a page.
    private var counts: Counted {
        guard let item = contents.0.items[.counts] else { return Counted() }
        return counted.withLock { counted in
            if counted.atMs != item.atMs {
                let zones: Rows<Zone>? = decode(item.result.texts["zones"])
                let gates: Rows<Gate>? = decode(item.result.texts["gates"])
                counted = Counted(
                    atMs: item.atMs, zones: zones?.rows ?? [], gates: gates?.rows ?? [],
                    drops: decode(item.result.texts["drops"]) ?? [:],
                    asOfMicros: gates.flatMap { UTCTime.microseconds($0.as_of) })
            }
            return counted
        }
    }

    private func decode<Value: Decodable>(_ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(Value.self, from: Data($0.utf8)) }
    }
}
