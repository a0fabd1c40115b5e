import ScanJournal
import ScanModel

/// The part of an export's or a delivery's result that describes the data folder: what was read, lost or left out.
package struct SourceReport: Hashable, Encodable, Sendable {
    /// ID of the scanner whose scans were selected.
    package let scanner: String
    /// Number of scans in the folder that belong to other scanners, by scanner. They are not included.
    package let foreign: [String: Int64]
    /// Names of the corrupt files from which all readable scans were taken.
    package let recovered: [String]
    /// Number of seqs that are lost between scans of the corrupt files.
    package internal(set) var missing: Int64 = 0
    /// Number of scans of the corrupt files whose journal is unknown. They are not included.
    package let orphans: Int
    /// Names of the corrupt files beside the current journal that were not read.
    package let unread: [String]
    /// Names of the corrupt files beside the current journal that `tapline-gate recover` has read into another folder.
    package let apart: [String]

    init(_ plan: JournalSource.Plan, _ source: JournalSource) {
        scanner = plan.scanner.text
        foreign = plan.foreign
        recovered = source.recoveredNames
        orphans = source.recovery?.orphans ?? 0
        unread = source.unread
        apart = source.recoveredApart
    }

    /// Whether no scan is known to be left out.
    package var isComplete: Bool { missing == 0 && orphans == 0 && unread.isEmpty }

    /// Returns one line for each file or number that needs attention.
    func lines() -> [String] {
        var lines = recovered.map { "recovered  \($0): all readable scans of this corrupt file are included" }
        if missing > 0 { lines.append("lost       \(missing) scans between others: the center reports them as a gap") }
        if orphans > 0 {
            lines.append("unknown    \(orphans) scans of unknown journals: tapline-gate recover lists them")
        }
        lines += unread.map { "not read   \($0) is corrupt: run tapline-gate recover, then deliver its output folder" }
        lines += apart.map { "apart      \($0) was recovered into the folder recovered: deliver that folder as well" }
        return lines
            + foreign.sorted { $0.key < $1.key }.map {
                "foreign    \($0.value) scans of scanner \($0.key) are not included: repeat for that scanner"
            }
    }
}
