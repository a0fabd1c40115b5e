import FileSystem
import Runtime
import ScanModel

/// The facts about a snapshot file that `tapline-snapshot inspect` prints.
package struct SnapshotSummary: Sendable {
    /// A value of the summary; a `.number` is printed without quotes in JSON.
    package enum Value: Sendable {
        case text(String)
        case number(Int64)
    }
    /// Labels and values in the order of printing.
    package let entries: [(key: String, value: Value)]

    /// Reads the whole file.
    ///
    /// - Throws: `SnapshotError`, `SQLiteError` or `SystemError`.
    package init(path: String) throws {
        let snapshot = try Snapshot(path: path)
        var byStatus: [Attendee.Status: Int64] = [:]
        var people: Set<Int64> = []
        var withoutPass: Int64 = 0
        try snapshot.forEachAttendee { _, attendee in
            byStatus[attendee.status, default: 0] += 1
            people.insert(attendee.attendee)
            if attendee.pass == 0 { withoutPass += 1 }
        }
        entries = [
            ("event", .text(snapshot.event)), ("event_id", .text(snapshot.eventID ?? "")),
            ("key", .text(snapshot.keyFingerprint ?? "")), ("version", .number(snapshot.version)),
            ("created", .text(UTCTime.text(seconds: snapshot.createdS))),
            ("expires", .text(UTCTime.text(seconds: snapshot.expiresS))),
            ("code_case", .text(snapshot.codeCase.rawValue)),
            ("tags", .number(Int64(try snapshot.count()))), ("active", .number(byStatus[.active] ?? 0)),
            ("blocked", .number(byStatus[.blocked] ?? 0)), ("lost", .number(byStatus[.lost] ?? 0)),
            ("void", .number(byStatus[.void] ?? 0)), ("attendees", .number(Int64(people.count))),
            ("without_pass", .number(withoutPass)), ("passes", .number(Int64(snapshot.passes.count))),
            ("zones", .number(Int64(snapshot.zones.count))), ("gates", .number(Int64(snapshot.gates.count))),
            ("scanners", .number(Int64(snapshot.scanners.count))),
            ("first_day", .text(snapshot.days.first?.day ?? "")), ("last_day", .text(snapshot.days.last?.day ?? "")),
            ("size", .number(Int64(Files.status(path)?.size ?? 0))), ("sha256", .text(try Files.sha256Hex(path))),
            ("content", .text(try SnapshotContent.hash(path: path))),
        ]
    }

    /// The summary as one JSON object on one line.
    package var json: String {
        let pairs = entries.map { key, value in
            switch value {
            case .text(let text): JSONText.quote(key) + ":" + JSONText.quote(text)
            case .number(let number): JSONText.quote(key) + ":\(number)"
            }
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// The summary for people: one line per entry, with aligned values.
    package var lines: [String] {
        let width = entries.map(\.key.count).max() ?? 0
        return entries.map { key, value in
            let shown =
                switch value {
                case .text(let text): text
                case .number(let number): String(number)
                }
            return key + String(repeating: " ", count: width - key.count) + "  " + shown
        }
    }
}
