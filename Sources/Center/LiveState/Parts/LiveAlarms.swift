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

    /// Selects the text of the alarm.
    var key: String { String(id.prefix { $0 != ":" }) }
}

/// The alarms that are on, and since when.
struct LiveAlarms: Sendable {
    /// Maximum number of alarms in a frame, the worst ones.
    static let limit = 50

    private var sinceMicros: [String: Int64] = [:]

    /// Replaces the alarms that are on, and returns them as a JSON array: the worst first, then the newest.
    mutating func update(_ alarms: [LiveAlarm], nowMicros: Int64) -> String {
        let before = sinceMicros
        sinceMicros = [:]
        for alarm in alarms { sinceMicros[alarm.id] = before[alarm.id] ?? nowMicros }
        let sorted = alarms.map { ($0, sinceMicros[$0.id] ?? nowMicros) }.sorted { one, other in
            if one.0.level != other.0.level { return one.0.level > other.0.level }
            return one.1 == other.1 ? one.0.id < other.0.id : one.1 > other.1
        }
        let items = sorted.prefix(LiveAlarms.limit).map { alarm, since in
            "{\"id\":\(JSONText.quote(alarm.id)),\"level\":\"\(alarm.level.rawValue)\","
                + "\"since\":\(LiveJSON.time(since)),\"key\":\(JSONText.quote(alarm.key)),\"args\":\(alarm.arguments)}"
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
