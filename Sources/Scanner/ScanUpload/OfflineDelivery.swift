import AMQP
import FoundationEssentials
package import Runtime
import ScanJournal
package import ScanModel

/// The scans of a folder once to the broker, by hand: those of a dead device (`ship`), or what was shipped before (`resend`).
package struct OfflineDelivery: Sendable {
    package enum Kind: Sendable {
        /// The folder of a dead device, read as a copy: what was not shipped, or all of it.
        case dead(all: Bool)
        /// A folder that may be in use: all from the first scan on that was made at this time or later, in milliseconds
        /// since 1970 by the device's clock.
        case since(Int64)
    }

    /// What came of it.
    package struct Report: Codable, Sendable {
        package var scanner: String
        /// Confirmed by the broker.
        package var scans: Int64 = 0
        package var journals = 0
        /// Scans that lie there for other scanners and were not shipped, by scanner.
        package var foreign: [String: Int64]
        /// Damaged files, of which all that is readable was taken.
        package var recovered: [String]
        /// Scans that are lost between others of those files ...
        package var missing: Int64 = 0
        /// ... and scans of them whose journal is not known.
        package var orphans: Int
        /// Damaged files that were set aside beside a journal in use, and that nobody has read ...
        package var unread: [String]
        /// ... and those of which `tapline-gate recover` has made a folder, to be brought by itself.
        package var apart: [String]

        /// Whether nothing is known to be left behind.
        package var isWhole: Bool { missing == 0 && orphans == 0 && unread.isEmpty }
    }

    private let kind: Kind
    private let folder: String
    private let scanner: ScannerID?
    private let addresses: [AMQPAddress]
    private let patienceMs: Int64

    /// Throws `ProgramError` (configuration) for a URL that is none.
    ///
    /// - Parameters:
    ///   - folder: a scanner's data folder, or a copy of one.
    ///   - scanner: nil: the only one that has journals there.
    ///   - urls: of the brokers, tried in turn.
    ///   - patienceMs: it is given up when nothing was confirmed for so long.
    package init(_ kind: Kind, folder: String, scanner: ScannerID?, urls: [String], patienceMs: Int64) throws {
        (self.kind, self.folder, self.scanner, self.patienceMs) = (kind, folder, scanner, patienceMs)
        addresses = try Upload.Settings.addresses(urls)
    }

    /// Returns when all is confirmed.
    ///
    /// Throws `ProgramError`: unreachable when the broker confirms nothing any more, failed and configuration for what is
    /// wrong with the folder; `DataFileError`, `SystemError`.
    package func run(_ stop: StopSignal) throws -> Report {
        let source: JournalSource
        let choice: JournalSelection.Choice
        switch kind {
        case .dead(let all):
            source = try JournalSource(dead: folder, scanner: scanner)
            choice = all ? .all : .after(source.shipped)
        case .since(let sinceMs):
            source = try JournalSource(live: folder, scanner: scanner)
            choice = .since(sinceMs)
        }
        let plan = try source.plan(choice, scanner: scanner)
        var report = Report(
            scanner: plan.scanner.text, foreign: plan.foreign, recovered: source.recoveredNames,
            orphans: source.recovery?.orphans ?? 0, unread: source.unread, apart: source.apart)
        for consignment in plan.consignments {
            let upload = Upload(consignment, addresses, patienceMs: patienceMs)
            let delivered = try upload.deliver(consignment, patienceMs: patienceMs, stop)
            report.scans += delivered.scans
            report.missing += delivered.missing
            report.journals += consignment.parts.count { $0.last > $0.after }
        }
        return report
    }
}

extension OfflineDelivery.Report {
    /// One JSON object, keys in order of name.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people: what was brought, and what was not.
    package func text() -> String {
        var lines = ["confirmed  \(scans) scans of \(scanner), of \(journals) journals"]
        lines += OfflineDelivery.lines(
            recovered: recovered, missing: missing, orphans: orphans, unread: unread, apart: apart, foreign)
        return lines.joined(separator: "\n")
    }
}

extension OfflineDelivery {
    /// What was damaged, lost, or not touched, a line each.
    static func lines(
        recovered: [String], missing: Int64, orphans: Int, unread: [String], apart: [String],
        _ foreign: [String: Int64]
    ) -> [String] {
        var lines = recovered.map { "damaged    \($0): what is readable of it was taken" }
        if missing > 0 { lines.append("lost       \(missing) scans between others: the center lists them as a gap") }
        if orphans > 0 {
            lines.append("unknown    \(orphans) scans of unknown journals: tapline-gate recover lists them")
        }
        lines += unread.map {
            "not read   \($0) was set aside as damaged: tapline-gate recover, then ship what it makes"
        }
        lines += apart.map { "apart      \($0) was read into the folder recovered: bring that, too, unless it is done" }
        return lines
            + foreign.sorted { $0.key < $1.key }.map {
                "foreign    \($0.value) scans lie there for \($0.key): again with --scanner \($0.key)"
            }
    }
}
