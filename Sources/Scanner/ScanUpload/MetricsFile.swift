package import DataFolder
import FileSystem
import LinuxSystem
package import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall
import Synchronization

/// Writes the state of a publisher and its gate to a file for node-exporter's textfile collector.
///
/// A device has no port that Prometheus could reach. The file is replaced at once, so a reader sees a whole one. A fault
/// of the file is logged and ends nothing.
package struct MetricsFile: Sendable {
    /// Interval between two writes, in milliseconds.
    package static let intervalMs = 15_000
    /// The collector reads no file with another ending.
    package static let ending = ".prom"

    private let path: String
    private let folder: String
    private let scanner: ScannerID
    private let status: PublisherStatus
    private let metrics = Metrics()
    private let samples = Samples()

    /// The values of the last write, by the name of their metric.
    private final class Samples: Sendable {
        let values = Mutex<[String: Double]>([:])
    }

    /// - Parameters:
    ///   - path: path of the file.
    ///   - folder: the scanner's data folder.
    ///   - scanner: the scanner, a label of each sample.
    ///   - status: the counters of the publisher.
    package init(path: String, folder: String, scanner: ScannerID, status: PublisherStatus) {
        self.path = path
        self.folder = folder
        self.scanner = scanner
        self.status = status
        register()
    }

    /// Returns the service to run. The last write says that the publisher does not run.
    package func service() -> Service {
        .thread("metrics file", stackBytes: Upload.stackBytes) { stop in
            var problem: String?
            while true {
                let isStopped = stop.isStopped
                do {
                    try write(isRunning: !isStopped)
                    problem = nil
                } catch {
                    if problem != "\(error)" {
                        Log("publisher").warning("metrics file not written, will retry", [.error: "\(error)"])
                    }
                    problem = "\(error)"
                }
                if isStopped { break }
                stop.wait(ms: MetricsFile.intervalMs)
            }
        }
    }

    /// Reads the data folder and replaces the file.
    ///
    /// - Throws: `SystemError`.
    package func write(isRunning: Bool = true) throws {
        let values = sample(isRunning: isRunning)
        samples.values.withLock { $0 = values }
        try Files.writeAtomically(Array(metrics.render().utf8), to: path, durable: false)
    }

    private func sample(isRunning: Bool) -> [String: Double] {
        let report = StatusReport(folder: folder, scanner: scanner)
        let gate = GateState.read(folder: folder)
        let liveness = GateLiveness(folder: folder, gate)
        var sample: [String: Double] = [
            "tapline_publisher_written_timestamp_seconds": Double(SystemClock.nowMicroseconds()) / 1e6,
            "tapline_publisher_running": isRunning ? 1 : 0,
            "tapline_publisher_broker_connected": report.publisher?.upload.state == .connected && isRunning ? 1 : 0,
            "tapline_publisher_backlog_scans": Double(report.backlog),
            "tapline_publisher_faults": Double(report.faults.count),
            "tapline_gate_running": liveness == .running ? 1 : 0,
        ]
        sample["tapline_publisher_oldest_unsent_timestamp_seconds"] = oldestUnsentS(report)
        sample["tapline_publisher_last_confirm_timestamp_seconds"] = report.publisher?.upload.lastConfirmed
            .flatMap { UTCTime.microseconds($0) }.map { Double($0) / 1e6 }
        sample["tapline_publisher_snapshot_version"] = report.snapshot.map(Double.init)
        return sample
    }

    /// Returns the device time of the first scan that the broker has not confirmed; `nil` without one.
    private func oldestUnsentS(_ report: StatusReport) -> Double? {
        let reader = JournalReader(folder: folder)
        guard report.backlog > 0, let records = try? reader.journals(),
            let cursors = try? UploadCursors.read(folder: folder)
        else { return nil }
        let first = records.first { $0.scanner == scanner && $0.lastSeq > cursors[$0.journalID, default: 0] }
        return first.flatMap { record in
            try? reader.read(journal: record.id, after: cursors[record.journalID, default: 0], limit: 1).first
        }.map { Double($0.atMs) / 1_000 }
    }

    private static let gauges: KeyValuePairs<String, String> = [
        "tapline_publisher_written_timestamp_seconds": "Device time of this file. An old one: the publisher has ended.",
        "tapline_publisher_running": "1 while the publisher runs; 0 after it has ended as asked.",
        "tapline_publisher_broker_connected": "1 while the publisher is connected to a broker.",
        "tapline_publisher_backlog_scans": "Scans that the broker has not confirmed.",
        "tapline_publisher_oldest_unsent_timestamp_seconds":
            "Device time of the oldest scan that the broker has not confirmed; without one there is no sample.",
        "tapline_publisher_last_confirm_timestamp_seconds": "Device time of the last confirm of the broker.",
        "tapline_publisher_snapshot_version": "Version of the installed snapshot.",
        "tapline_publisher_faults": "Faults that `tapline-publisher status` lists.",
        "tapline_gate_running": "1 while the gate program of the same folder runs and responds.",
    ]

    private func register() {
        let labels = [("scanner", scanner.text)]
        ProcessMetrics.register(in: metrics, program: "tapline-publisher", labels: labels)
        for (name, help) in MetricsFile.gauges {
            metrics.table(name, help, type: .gauge) { [samples] in
                samples.values.withLock { $0[name] }.map { [(labels: labels, value: $0)] } ?? []
            }
        }
        let counters: [(String, String, Counter)] = [
            ("tapline_publisher_scans_confirmed_total", "Scans that the broker has confirmed.", status.confirmedScans),
            ("tapline_publisher_batches_total", "Batches published, repetitions included.", status.publishedBatches),
            ("tapline_publisher_bytes_total", "Size of all published messages.", status.publishedBytes),
            ("tapline_publisher_connections_total", "Connections made to a broker.", status.connects),
        ]
        for (name, help, counter) in counters {
            metrics.table(name, help, type: .counter) { [(labels: labels, value: Double(counter.value))] }
        }
    }
}
