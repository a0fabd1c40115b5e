import FileSystem
import Runtime

/// What `tapline-snapshot inspect` tells of a snapshot file.
package struct SnapshotSummary: Sendable {
    /// Label and value, in order; numbers as `.number`, so that JSON shows them as such.
    package enum Value: Sendable {
        case text(String)
        case number(Int64)
    }
    package let entries: [(key: String, value: Value)]

    /// Reads the whole file. Throws what `Snapshot` throws.
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
            ("event", .text(snapshot.event)), ("version", .number(snapshot.version)),
            ("created", .text(UTCTime.text(microseconds: snapshot.createdS * 1_000_000))),
            ("expires", .text(UTCTime.text(microseconds: snapshot.expiresS * 1_000_000))),
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

    /// One JSON object on one line.
    package var json: String {
        let pairs = entries.map { key, value in
            switch value {
            case .text(let text): JSONText.quote(key) + ":" + JSONText.quote(text)
            case .number(let number): JSONText.quote(key) + ":\(number)"
            }
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// A line an entry, labels aligned.
    package var text: String {
        let width = entries.map(\.key.count).max() ?? 0
        return entries.map { key, value in
            let shown =
                switch value {
                case .text(let text): text
                case .number(let number): String(number)
                }
            return key + String(repeating: " ", count: width - key.count) + "  " + shown
        }.joined(separator: "\n")
    }
}
