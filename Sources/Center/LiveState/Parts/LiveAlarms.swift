import Runtime

/// A condition that a person must know of.
struct LiveAlarm: Equatable, Sendable {
    enum Level: String, Sendable, Comparable {
        case warn
        case alarm

        static func < (one: Level, other: Level) -> Bool { one == .warn && other == .alarm }
    }

    /// The key, with `:` and the ID of a zone or gate if it is about one.
    var id: String
    var level: Level
    /// JSON object with the values of its text.
    var arguments: String = "{}"
    /// The part of the state that it follows from; `nil`: what the center knows by itself.
    var part: LivePart?

    /// Selects the text of the alarm.
    var key: String { String(id.prefix { $0 != ":" }) }
}

/// The alarms that are on, and since when.
struct LiveAlarms: Sendable {
    /// Maximum number of alarms in a frame, the worst ones.
    static let limit = 50

    private struct Begin: Sendable {
        var micros: Int64
        var part: LivePart?
    }
    private var begins: [String: Begin] = [:]

    /// Replaces the alarms that are on, and returns them as a JSON array: the worst first, then the newest.
    ///
    /// An alarm of a part that is not known is not shown. It keeps its begin for the case that it is on afterwards.
    ///
    /// - Parameters:
    ///   - unknown: parts that are not known.
    ///   - nowMicros: the time of this machine.
    ///   - aheadMicros: how far the clock of the database, which is shown, is ahead of it.
    mutating func update(
        _ alarms: [LiveAlarm], unknown: Set<LivePart> = [], nowMicros: Int64, aheadMicros: Int64 = 0
    ) -> String {
        let before = begins
        begins = before.filter { $0.value.part.map(unknown.contains) == true }
        for alarm in alarms {
            begins[alarm.id] = Begin(micros: before[alarm.id]?.micros ?? nowMicros, part: alarm.part)
        }
        let sorted = alarms.map { ($0, begins[$0.id]?.micros ?? nowMicros) }.sorted { one, other in
            if one.0.level != other.0.level { return one.0.level > other.0.level }
            return one.1 == other.1 ? one.0.id < other.0.id : one.1 > other.1
        }
        let items = sorted.prefix(LiveAlarms.limit).map { alarm, since in
            "{\"id\":\(JSONText.quote(alarm.id)),\"level\":\"\(alarm.level.rawValue)\","
                + "\"since\":\(LiveJSON.time(since + aheadMicros)),\"key\":\(JSONText.quote(alarm.key)),\"args\":\(alarm.arguments)}"
        }
        return "[\(items.joined(separator: ","))]"
    }
}

/// Values in the JSON of the live state.
enum LiveJSON {
    static func time(_ micros: Int64?) -> String { micros.map { "\"\(UTCTime.text(microseconds: $0))\"" } ?? "null" }

    static func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "null" }

    static func text(_ value: String?) -> String { value.map { JSONText.quote($0) } ?? "null" }
}
