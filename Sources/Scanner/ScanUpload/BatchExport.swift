import CLI
import FileSystem
import FoundationEssentials
import LinuxSystem
import ScanBatchCodec
import ScanJournal
package import ScanModel

/// Scans as batch files in a folder, which a runner carries to the center on a stick.
///
/// Nothing counts as shipped by it: a stick may get lost, and what arrives twice is stored once. Files that are there already
/// stay, so a stick can be taken round again; a file is whole or not there.
package struct BatchExport: Sendable {
    /// Which scans.
    package enum Choice: Sendable {
        /// Those that the broker has not confirmed.
        case unshipped
        /// All from the first on that was made at this time or later, in milliseconds since 1970 by the device's clock.
        case since(Int64)
        case all
    }

    /// What came of it.
    package struct Report: Codable, Sendable {
        package var scanner: String
        /// Files that were written, and the scans in them.
        package var written = 0
        package var scans: Int64 = 0
        /// Whole files of an earlier export that hold what is asked for, and the scans asked for in them.
        package var kept = 0
        package var keptScans: Int64 = 0
        package var bytes = 0
        /// Scans that lie there for other scanners and were not exported, by scanner.
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
    }

    /// Scans in a file at the most: 60 kB. A bad sector costs one file.
    static let fileScans = 4_000

    private let folder: String
    private let scanner: ScannerID?
    private let out: String
    private let choice: Choice

    /// - Parameters:
    ///   - folder: a scanner's data folder, in use or not.
    ///   - scanner: nil: the only one that has journals there.
    ///   - out: made if missing, but not the folder that it is in.
    package init(_ choice: Choice, folder: String, scanner: ScannerID?, out: String) {
        (self.choice, self.folder, self.scanner, self.out) = (choice, folder, scanner, out)
    }

    /// Throws `ProgramError`: failed for a full stick, and what `JournalSource` throws; `DataFileError`, `SystemError`.
    package func run() throws -> Report {
        let source = try JournalSource(live: folder, scanner: scanner)
        let choice: JournalSelection.Choice =
            switch choice {
            case .unshipped: .after(source.shipped)
            case .since(let sinceMs): .since(sinceMs)
            case .all: .all
            }
        let plan = try source.plan(choice, scanner: scanner)
        // The place of a stick mostly comes and goes with it: then nothing is written in its stead.
        guard Files.exists(out) || Files.exists(Files.folder(of: out)) else {
            throw ProgramError.failed("--out \(out): there is no such folder; is the stick mounted?")
        }
        try Files.makeFolder(out)
        let there = BatchFiles(in: out, of: plan.scanner)
        var writing = Writing(
            out: out, left: plan.consignments.reduce(0) { $0 + $1.scans },
            report: Report(
                scanner: plan.scanner.text, foreign: plan.foreign, recovered: source.recoveredNames,
                orphans: source.recovery?.orphans ?? 0, unread: source.unread, apart: source.apart))
        for consignment in plan.consignments {
            let reader = JournalReader(folder: consignment.folder)
            // Its journals are known by their numbers once it has named them.
            _ = try reader.journals()
            for part in consignment.parts {
                try writing.write(part, of: plan.scanner, reader, there)
                // Scans from before a time that was asked for are nowhere else, for all that is known.
                let isFromATime = if case .since = choice { true } else { false }
                there.removeAltered(of: part.log, from: isFromATime ? part.after + 1 : 1)
            }
        }
        return writing.report
    }
}

extension BatchExport {
    private struct Writing {
        let out: String
        /// Scans asked for that are not dealt with yet.
        var left: Int64
        var report: Report
        private var body: [UInt8] = []

        init(out: String, left: Int64, report: Report) { (self.out, self.left, self.report) = (out, left, report) }

        mutating func write(
            _ part: JournalSelection.Part, of scanner: ScannerID, _ reader: JournalReader, _ there: BatchFiles
        ) throws {
            var after = part.after
            while after < part.last {
                if let last = there.last(of: part.log, holding: after + 1) {
                    report.kept += 1
                    pass(to: min(last, part.last), &after, counting: \.keptScans)
                    continue
                }
                let limit = min(BatchExport.fileScans, Int(part.last - after))
                let scans = try reader.read(journal: part.journal, after: after, limit: limit)
                guard let first = scans.first?.seq, try first == after + 1 || reader.mayHaveGaps() else {
                    throw ProgramError.failed("journal \(part.log) cannot be read just now: try again")
                }
                if first > after + 1 {
                    pass(to: first - 1, &after, counting: \.missing)
                    continue
                }
                let count = ScanBatch.cut(scans)
                left -= Int64(count)
                let previous = first == 1 ? part.previous : nil
                try save(
                    ScanBatch(
                        scanner: scanner, log: part.log, scans: scans[..<count],
                        after: previous.map { ScanBatch.After(log: $0.log, lastSeq: $0.lastSeq) },
                        sentMicros: SystemClock.nowMicroseconds(), backlog: left), of: scanner)
                report.written += 1
                report.scans += Int64(count)
                after += Int64(count)
            }
        }

        private mutating func pass(
            to last: Int64, _ after: inout Int64, counting count: WritableKeyPath<Report, Int64>
        ) {
            report[keyPath: count] += last - after
            left -= last - after
            after = last
        }

        private mutating func save(_ batch: ScanBatch, of scanner: ScannerID) throws {
            body.removeAll(keepingCapacity: true)
            batch.encode(into: &body)
            let path = "\(out)/\(BatchFiles.name(body, of: batch, scanner))"
            do { try Files.writeAtomically(body, to: path) } catch let error as SystemError
                where error.isFull
            {
                throw ProgramError.failed(
                    "\(out) is full: \(report.written) files with \(report.scans) scans are there, each whole; "
                        + "\(left + Int64(batch.count)) scans have no room. Bring these, or make room and export again")
            }
            report.bytes += body.count
        }
    }
}

extension BatchExport.Report {
    /// Whether nothing is known to be left behind.
    package var isWhole: Bool { missing == 0 && orphans == 0 && unread.isEmpty }

    /// One JSON object, keys in order of name.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// For people: what was written, and what was not.
    package func text() -> String {
        var lines = ["written    \(scans) scans of \(scanner) in \(written) files, \(bytes) bytes"]
        if kept > 0 { lines.append("kept       \(keptScans) scans in \(kept) files that are there already") }
        lines += OfflineDelivery.lines(
            recovered: recovered, missing: missing, orphans: orphans, unread: unread, apart: apart, foreign)
        return lines.joined(separator: "\n")
    }
}
