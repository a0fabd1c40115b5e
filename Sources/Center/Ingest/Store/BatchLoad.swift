import FileSystem
import LinuxSystem
package import Postgres
import ScanBatchCodec

/// Loads batch files into the database, through the same checks and deduplication as deliveries from the broker.
///
/// Loading a file again only finds duplicates.
package struct BatchLoad {
    /// The totals of the files so far.
    package struct Report: Sendable, Equatable {
        /// Number of files, including unreadable ones.
        package var files = 0
        /// In scans.
        package var stored = 0
        /// Scans that were stored before with the same contents.
        package var duplicates = 0
        /// Scans whose seq is stored with other contents. They were not stored.
        package var conflicts = 0
        /// Files in the quarantine: rejected completely, or with conflicts.
        package var quarantined = 0
        /// Files that could not be read or stored at all, and folders without batch files.
        package var unreadable = 0

        /// Creates an empty report.
        package init() {}
        /// Whether every scan of every file is stored.
        package var isComplete: Bool { quarantined + unreadable == 0 }
    }

    /// The totals of all files loaded so far.
    package private(set) var report = Report()
    private let store: IngestStore
    private let reportProblem: (String) -> Void

    /// Creates a load with an empty report.
    ///
    /// - Parameters:
    ///   - store: where the batches are stored.
    ///   - reportProblem: receives one line for each file that was not stored completely, with its name and the reason.
    package init(_ store: IngestStore, reportProblem: @escaping (String) -> Void) {
        self.store = store
        self.reportProblem = reportProblem
    }

    /// Loads a file, or the batch files (`*.batch`) of a folder in the order of their names.
    ///
    /// Each file has a separate transaction, so an invalid one does not affect the others.
    ///
    /// - Parameter path: the file or folder.
    /// - Throws: `PostgresError` if the database is unavailable. Everything counted so far is stored.
    package mutating func load(_ path: String) throws(PostgresError) {
        guard let names = try? Files.list(path) else { return try loadFile(path) }
        // macOS creates a hidden file for each file that it copies.
        let batches = names.filter { $0.hasSuffix(BatchFileName.suffix) && !$0.hasPrefix(".") }
        guard !batches.isEmpty else {
            report.unreadable += 1
            return reportProblem("\(path): no batch files (*\(BatchFileName.suffix)) in this folder")
        }
        for name in batches { try loadFile(path + "/" + name) }
    }

    private mutating func loadFile(_ path: String) throws(PostgresError) {
        report.files += 1
        let delivery: IngestDelivery
        do { delivery = try IngestDelivery(file: path, receivedMicros: SystemClock.nowMicroseconds()) } catch {
            report.unreadable += 1
            return reportProblem("\(path): \(error)")
        }
        switch try store.store([delivery])[0] {
        case .accepted(let stored, let duplicates, let conflicts):
            report.stored += stored
            report.duplicates += duplicates
            report.conflicts += conflicts
            guard conflicts > 0 else { return }
            report.quarantined += 1
            reportProblem("\(path): \(conflicts) scans are stored already with other contents; quarantined")
        case .quarantined(let reason, let detail):
            report.quarantined += 1
            reportProblem("\(path): \(reason.rawValue): \(detail); quarantined")
        case .rejected(let detail):
            report.unreadable += 1
            reportProblem("\(path): rejected by the database, and by the quarantine as well: \(detail)")
        }
    }
}
