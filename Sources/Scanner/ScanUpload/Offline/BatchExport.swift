import FileSystem
import LinuxSystem
import ScanBatchCodec
import ScanJournal
package import ScanModel

/// Writes scans as batch files into a folder, to be carried to the center on a USB stick.
///
/// Exported scans do not count as uploaded, because a USB stick can get lost. The center stores repeated scans once.
/// Valid files in the folder stay, so a USB stick can be used for several exports. Each file is written atomically.
package struct BatchExport: Sendable {
    /// The scans to export.
    package enum Choice: Sendable {
        /// The scans that the broker has not confirmed.
        case unconfirmed
        /// All scans from the first one made at this time or later, in milliseconds since 1970 by the device clock.
        case since(Int64)
        case all
    }

    /// The result of an export.
    package struct Report: Sendable {
        /// The data folder: what was read, lost or left out.
        package internal(set) var source: SourceReport
        /// Number of files written.
        package internal(set) var written = 0
        /// Number of scans in the written files.
        package internal(set) var scans: Int64 = 0
        /// Number of valid files of an earlier export that contain requested scans.
        package internal(set) var kept = 0
        /// Number of requested scans in these files.
        package internal(set) var keptScans: Int64 = 0
        /// Size of the written files together, in bytes.
        package internal(set) var bytes = 0

        init(_ source: SourceReport) { self.source = source }
    }

    /// Maximum number of scans in a file, about 60 kB. A bad sector makes one file unreadable.
    static let fileScans = 4_000

    private let folder: String
    private let scanner: ScannerID?
    private let output: String
    private let choice: Choice

    /// - Parameters:
    ///   - choice: The scans to export.
    ///   - folder: A scanner's data folder, in use or not.
    ///   - scanner: The scanner whose scans are exported, or `nil` for the only one with journals in the folder.
    ///   - output: The output folder. It is created if it is missing, but its parent is not.
    package init(_ choice: Choice, folder: String, scanner: ScannerID?, output: String) {
        self.choice = choice
        self.folder = folder
        self.scanner = scanner
        self.output = output
    }

    /// Writes the files.
    ///
    /// - Throws: `UploadError`; `DataFileError` or `SystemError` when a file cannot be read or written.
    package func run() throws -> Report {
        let source = try JournalSource(live: folder, scanner: scanner)
        let choice: JournalSelection.Choice =
            switch choice {
            case .unconfirmed: .after(source.cursors)
            case .since(let sinceMs): .since(sinceMs)
            case .all: .all
            }
        let plan = try source.plan(choice, scanner: scanner)
        // The mount point of a USB stick usually exists only while it is mounted. Without it nothing must be written.
        guard Files.exists(output) || Files.exists(Files.folder(of: output)) else {
            throw UploadError.outputFolderMissing(path: output)
        }
        try Files.makeFolder(output)
        let existing = BatchFiles(in: output, of: plan.scanner)
        var writer = Writer(
            output: output, remaining: plan.selections.reduce(0) { $0 + $1.scans },
            report: Report(SourceReport(plan, source)))
        for selection in plan.selections {
            let reader = JournalReader(folder: selection.folder)
            // The reader returns scans only of journals that it has listed before.
            _ = try reader.journals()
            for part in selection.parts {
                try writer.write(part, of: plan.scanner, reader, existing)
                // Corrupt files with scans before the requested time may hold the only copy of them.
                let isSince = if case .since = choice { true } else { false }
                existing.removeCorrupt(of: part.journalID, from: isSince ? part.after + 1 : 1)
            }
        }
        return writer.report
    }
}

extension BatchExport {
    private struct Writer {
        let output: String
        /// Number of requested scans that are not processed yet.
        var remaining: Int64
        var report: Report
        private var body: [UInt8] = []

        init(output: String, remaining: Int64, report: Report) {
            self.output = output
            self.remaining = remaining
            self.report = report
        }

        mutating func write(
            _ part: JournalSelection.Part, of scanner: ScannerID, _ reader: JournalReader, _ existing: BatchFiles
        ) throws {
            var after = part.after
            while after < part.last {
                if let last = existing.last(of: part.journalID, holding: after + 1) {
                    report.kept += 1
                    skip(to: min(last, part.last), &after, counting: \.keptScans)
                    continue
                }
                let limit = min(BatchExport.fileScans, Int(part.last - after))
                let scans = try reader.read(journal: part.number, after: after, limit: limit)
                guard let first = scans.first?.seq, try first == after + 1 || reader.mayHaveGaps() else {
                    throw UploadError.journalUnreadable(detail: "journal \(part.journalID) cannot be read at present")
                }
                if first > after + 1 {
                    skip(to: first - 1, &after, counting: \.source.missing)
                    continue
                }
                let notes = try BatchNotes(journal: part.number, scans[..<ScanBatch.cut(scans)], reader)
                let count = notes.count
                remaining -= Int64(count)
                var batch = ScanBatch(
                    scanner: scanner, journalID: part.journalID, scans: scans[..<count],
                    after: first == 1 ? part.previous : nil, sentMicros: SystemClock.nowMicroseconds(),
                    backlog: remaining, notes: notes.notes)
                batch.elapsedMs = try reader.elapsedMs(journal: part.number, scans[..<count])
                try save(batch, of: scanner)
                report.written += 1
                report.scans += Int64(count)
                after += Int64(count)
            }
        }

        private mutating func skip(
            to last: Int64, _ after: inout Int64, counting count: WritableKeyPath<Report, Int64>
        ) {
            report[keyPath: count] += last - after
            remaining -= last - after
            after = last
        }

        private mutating func save(_ batch: ScanBatch, of scanner: ScannerID) throws {
            body.removeAll(keepingCapacity: true)
            batch.encode(into: &body)
            let path = "\(output)/\(BatchFiles.name(body, of: batch, scanner))"
            do { try Files.writeAtomically(body, to: path) } catch let error as SystemError where error.isFull {
                throw UploadError.outputFull(
                    path: output, files: report.written, scans: report.scans, remaining: remaining + Int64(batch.count))
            }
            report.bytes += body.count
        }
    }
}

extension BatchExport.Report: Encodable {
    private enum CodingKeys: String, CodingKey { case written, scans, kept, keptScans, bytes }

    /// Encodes the members of `source` and the numbers of this report as one object.
    package func encode(to encoder: any Encoder) throws {
        try source.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(written, forKey: .written)
        try container.encode(scans, forKey: .scans)
        try container.encode(kept, forKey: .kept)
        try container.encode(keptScans, forKey: .keptScans)
        try container.encode(bytes, forKey: .bytes)
    }

    /// Returns one JSON object on one line, with its keys in alphabetical order.
    package func json() throws -> String { try sortedJSON(self) }

    /// Returns the report as lines of text.
    package func lines() -> [String] {
        var lines = ["written    \(scans) scans of \(source.scanner) in \(written) files, \(bytes) bytes"]
        if kept > 0 { lines.append("kept       \(keptScans) scans in \(kept) files of an earlier export") }
        return lines + source.lines()
    }
}
