import Runtime
package import ScanModel
package import Snapshots

/// The line that a gate writes for a journaled tap.
package struct VerdictLine: Sendable {
    /// Form of the line.
    package enum Format: String, Sendable, CaseIterable {
        /// One line to read.
        case text
        /// The JSON object of contract.md section 8.
        case json
    }

    /// ID of the journal that holds the scan.
    package let journalID: JournalID
    /// The journaled scan with its verdict.
    package let scan: Scan
    /// The zone that the tap leads into: for an entry the gate's zone, for an exit the zone before it. `nil` if it
    /// leads off site or the zone is not known.
    package let zone: String?
    /// For the crew: the name and note of the pass.
    package let pass: Pass?
    /// The earlier admission of a person who is already inside; `nil` if it is not known.
    package let earlier: EarlierAdmission?
    /// Why the reading has no usable identity; `nil` if it has one.
    var unreadable: DroppedRead?

    /// Creates the line of a journaled scan.
    ///
    /// - Parameters:
    ///   - journalID: ID of the journal that holds the scan.
    ///   - scan: the journaled scan with its verdict.
    ///   - zone: the zone that the tap leads into; `nil` if it leads off site or the zone is not known.
    ///   - pass: name, colour and note for the crew; `nil` without a pass.
    ///   - earlier: the earlier admission of a person who is already inside; `nil` if it is not known.
    package init(
        journalID: JournalID, scan: Scan, zone: String?, pass: Pass?, earlier: EarlierAdmission? = nil
    ) {
        self.journalID = journalID
        self.scan = scan
        self.zone = zone
        self.pass = pass
        self.earlier = earlier
    }

    /// The line, without a newline.
    package func text(_ format: Format) -> String {
        let at = UTCTime.text(milliseconds: scan.atMs)
        switch format {
        case .json:
            // The tag is an integer of 64 bits, as in the database. Some JSON parsers lose the lowest bits.
            return #"{"log":"\#(journalID)","seq":\#(scan.seq),"verdict":\#(scan.verdict.rawValue)"#
                + #","name":\#(JSONText.quote(scan.verdict.name)),"tag":\#(scan.tag.rawValue)"#
                + #","zone":\#(zone.map(JSONText.quote) ?? "null"),"at":"\#(at)""#
                + (earlier.map { #","inside":\#($0.json)}"# } ?? "}")
        case .text:
            let way = scan.flags.contains(.out) ? "out" : "in"
            var line = "\(at)  \(padded(way, 3))  \(padded(scan.verdict.name, 13))  \(zone ?? "-")"
            for (flag, words) in VerdictLine.remarks where scan.flags.contains(flag) { line += "  [\(words)]" }
            if let earlier { line += "  [\(earlier.text)]" }
            if let unreadable { line += "  [\(VerdictLine.couldNotBeRead(unreadable))]" }
            if scan.verdict == .admitted, let pass {
                let words = [pass.name, pass.colour, pass.note].compactMap(\.self)
                if !words.isEmpty { line += "  (\(words.joined(separator: ", ")))" }
            }
            return line
        }
    }

    /// Tells the person to present the tag again.
    static func couldNotBeRead(_ reason: DroppedRead) -> String { "could not be read, try again (\(reason))" }

    private static let remarks: [(Flags, String)] = [
        (.clockNotTrusted, "clock not trusted"), (.snapshotExpired, "snapshot expired"),
    ]

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
