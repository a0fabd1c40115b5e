import CLI
import Runtime
import SnapshotExport
import Snapshots

extension SnapshotDiff {
    /// One JSON object on one line: the counts by table, and the rows shown.
    func json() throws -> String {
        struct Counts: Encodable { let added, removed, changed: Int }
        struct Shown: Encodable { let table, change, row: String }
        struct Report: Encodable {
            let tables: [String: Counts]
            let rows: [Shown]
        }
        let tables = counts.map { ($0.table, Counts(added: $0.added, removed: $0.removed, changed: $0.changed)) }
        return try JSONOutput.line(
            Report(
                tables: Dictionary(uniqueKeysWithValues: tables),
                rows: rows.map { Shown(table: $0.table, change: $0.change.rawValue, row: $0.text) }))
    }

    /// One line for each table with differences, one line for each row shown, and the number of rows not shown.
    var lines: [String] {
        if isEmpty { return ["no difference"] }
        var lines: [String] = []
        for count in counts where !count.isEmpty {
            lines.append("\(count.table): \(count.added) added, \(count.removed) removed, \(count.changed) changed")
            let shown = rows.filter { $0.table == count.table }
            lines += shown.map { "  \($0.change.rawValue) \($0.text)" }
            let hidden = count.added + count.removed + count.changed - shown.count
            if hidden > 0 { lines.append("  ... and \(hidden) more (--limit)") }
        }
        return lines
    }
}

extension PublicationCheck {
    var lines: [String] {
        let created = UTCTime.text(seconds: manifest.created)
        let expires = UTCTime.text(seconds: manifest.expires)
        var lines = [
            "snapshot \(manifest.version) of \(manifest.event) is good: "
                + "signature, size, SHA-256, quick_check, rows, content",
            "\(manifest.attendees) tags, created \(created), expires \(expires)"
                + (manifest.eventID.map { ", event ID \($0)" } ?? "")
                + (manifest.key.map { ", event key fingerprint \($0)" } ?? ""),
        ]
        lines += deltas.map { from in
            applied.contains(from)
                ? "delta from \(from) is good: size and SHA-256 match, and applying it gives the signed content"
                : "delta from \(from): size and SHA-256 match; "
                    + "not applied, because version \(from) is not in the folder"
        }
        return lines
    }
}
