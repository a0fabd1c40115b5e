import Runtime
package import ScanModel
package import Snapshots

/// What a gate prints for a tap that is in the journal.
package struct VerdictLine: Sendable {
    package enum Format: String, Sendable, CaseIterable {
        /// One line for people.
        case text
        /// The object of SPEC.md section 8.
        case json
    }

    package let log: JournalID
    package let scan: Scan
    /// The zone that the tap leads into: the gate's zone, or on the way out the one before it. Nil: off site, or not known.
    package let zone: String?
    /// For the steward: the name and note of the pass.
    package let pass: Pass?

    package init(log: JournalID, scan: Scan, zone: String?, pass: Pass?) {
        (self.log, self.scan, self.zone, self.pass) = (log, scan, zone, pass)
    }

    package func text(_ format: Format) -> String {
        let at = UTCTime.text(microseconds: scan.atMs * 1_000)
        switch format {
        case .json:
            // The tag is a whole number of 64 bits, as in the database: not every reader of JSON keeps all of them.
            return #"{"log":"\#(log)","seq":\#(scan.seq),"verdict":\#(scan.verdict.rawValue)"#
                + #","name":\#(JSONText.quote(scan.verdict.name)),"tag":\#(scan.tag.rawValue)"#
                + #","zone":\#(zone.map(JSONText.quote) ?? "null"),"at":"\#(at)"}"#
        case .text:
            let way = scan.flags.contains(.out) ? "out" : "in"
            var line = "\(at)  \(padded(way, 3))  \(padded(scan.verdict.name, 13))  \(zone ?? "-")"
            for (flag, words) in VerdictLine.remarks where scan.flags.contains(flag) { line += "  [\(words)]" }
            if scan.verdict == .admitted, let pass {
                let words = [pass.name, pass.colour, pass.note].compactMap(\.self)
                if !words.isEmpty { line += "  (\(words.joined(separator: ", ")))" }
            }
            return line
        }
    }

    private static let remarks: [(Flags, String)] = [
        (.clockNotTrusted, "clock not trusted"), (.snapshotExpired, "list expired"),
    ]

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
