import FileSystem
import LinuxSystem
package import Postgres
import ScanBatchCodec

/// Batch files into the database, by the same way as what comes from the broker: each scan exactly once, and what cannot be
/// stored into the quarantine. Loading a file again finds duplicates.
package struct BatchLoad {
    /// What came of the files so far.
    package struct Report: Sendable, Equatable {
        /// Files, those that could not be read included.
        package var files = 0
        /// In scans.
        package var stored = 0
        package var duplicates = 0
        package var conflicts = 0
        /// Files in the quarantine: not taken at all, or with conflicts.
        package var quarantined = 0
        /// Files, and folders without batches, that nothing could be read of.
        package var unreadable = 0

        package init() {}
        /// Whether everything was stored, now or before.
        package var isWhole: Bool { quarantined + unreadable == 0 }
    }

    package private(set) var report = Report()
    private let store: IngestStore
    private let tell: (String) -> Void

    /// - Parameter tell: takes a line for each file that was not taken as it is, with its name and the reason.
    package init(_ store: IngestStore, tell: @escaping (String) -> Void) { (self.store, self.tell) = (store, tell) }

    /// A file, or a folder, which stands for the batch files in it (`*.batch`), in order of their names. Each file is stored
    /// by itself, and one that is bad keeps no other from being stored.
    ///
    /// Throws `PostgresError` when the database is away: what was counted so far is stored.
    package mutating func take(_ path: String) throws(PostgresError) {
        guard let names = try? Files.list(path) else { return try takeFile(path) }
        // macOS leaves a hidden file beside each file that it copies.
        let batches = names.filter { $0.hasSuffix(BatchFileName.suffix) && !$0.hasPrefix(".") }
        guard !batches.isEmpty else {
            report.unreadable += 1
            return tell("\(path): no batch files in it (*\(BatchFileName.suffix))")
        }
        for name in batches { try takeFile(path + "/" + name) }
    }

    private mutating func takeFile(_ path: String) throws(PostgresError) {
        report.files += 1
        let delivery: IngestDelivery
        do { delivery = try IngestDelivery(file: path, receivedMicros: SystemClock.nowMicroseconds()) } catch {
            report.unreadable += 1
            return tell("\(path): \(error)")
        }
        switch try store.store([delivery])[0] {
        case .taken(let stored, let duplicates, let conflicts):
            report.stored += stored
            report.duplicates += duplicates
            report.conflicts += conflicts
            guard conflicts > 0 else { return }
            report.quarantined += 1
            tell("\(path): \(conflicts) of its scans are stored already with other contents; it is in the quarantine")
        case .quarantined(let reason, let detail):
            report.quarantined += 1
            tell("\(path): \(reason.rawValue): \(detail); it is in the quarantine")
        case .refused(let detail):
            report.unreadable += 1
            tell("\(path): the database refuses even to keep it: \(detail)")
        }
    }
}
