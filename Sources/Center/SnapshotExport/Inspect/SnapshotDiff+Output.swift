import Runtime

extension SnapshotDiff {
    /// One JSON object on one line: counts by table, and the rows shown.
    package var json: String {
        let tables = counts.map {
            JSONText.quote($0.table) + #":{"added":\#($0.added),"removed":\#($0.removed),"changed":\#($0.changed)}"#
        }
        let rows = rows.map {
            #"{"table":\#(JSONText.quote($0.table)),"change":"\#($0.change)","row":\#(JSONText.quote($0.text))}"#
        }
        return #"{"tables":{\#(tables.joined(separator: ","))},"rows":[\#(rows.joined(separator: ","))]}"#
    }

    /// For people: a line a table, a line a row, and how many rows are not shown.
    package var text: String {
        if isEmpty { return "no difference" }
        var lines: [String] = []
        for count in counts where !count.isEmpty {
            lines.append("\(count.table): \(count.added) added, \(count.removed) removed, \(count.changed) changed")
            let shown = rows.filter { $0.table == count.table }
            lines += shown.map { "  \($0.change.rawValue) \($0.text)" }
            let hidden = count.added + count.removed + count.changed - shown.count
            if hidden > 0 { lines.append("  ... and \(hidden) more (--limit)") }
        }
        return lines.joined(separator: "\n")
    }
}
