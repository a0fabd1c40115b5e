import DataFolder
import FileSystem
import Runtime
import ScanJournal
import ScanModel
import TestSupport
import Testing

@testable import ScanUpload

/// The file for node-exporter's textfile collector.
struct MetricsFileTests {
    private let folder = TemporaryFolder("metrics-file")
    private let scanner = ScannerID("gate-7")!
    private var data: String { folder.file("data") }
    private var path: String { folder.file("collector/tapline.prom") }

    private func file() -> MetricsFile {
        let status = PublisherStatus(folder: data, scanner: scanner.text, isKept: false)
        status.confirmedScans.add(41)
        return MetricsFile(path: path, folder: data, scanner: scanner, status: status)
    }

    /// Returns the samples without their label.
    private func samples() throws -> [String: Double] {
        let lines = try Files.readText(path).split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let name = String(line.prefix { $0 != "{" })
                #expect(line.contains(#"{scanner="gate-7""#), "\(line)")
                return (name, Double(line.split(separator: " ").last ?? "") ?? .nan)
            })
    }

    @Test func fileSaysBacklogAndOldestUnsentScan() throws {
        try Files.makeFolder(folder.file("collector"))
        let journal = try Journal(folder: data, scanner: scanner)
        for second in 0..<3 {
            _ = try journal.append(
                Journal.Entry(
                    atMs: 1_795_468_021_500 + Int64(second) * 1_000, tag: TagID(rawValue: 7), verdict: .admitted,
                    flags: [], gate: 7, snapshot: 9))
        }
        try file().write()
        let first = try samples()
        #expect(first["tapline_publisher_backlog_scans"] == 3)
        #expect(first["tapline_publisher_oldest_unsent_timestamp_seconds"] == 1_795_468_021.5)
        #expect(first["tapline_publisher_running"] == 1 && first["tapline_publisher_scans_confirmed_total"] == 41)
        #expect(first["tapline_build_info"] == 1)
        // Unknown values have no sample.
        #expect(first["tapline_publisher_snapshot_version"] == nil)
        #expect(first["tapline_publisher_last_confirm_timestamp_seconds"] == nil)
        // Nothing is left beside the file, which the collector reads with every name.
        #expect(try Files.list(folder.file("collector")) == ["tapline.prom"])
    }

    @Test func fileWithoutBacklogHasNoOldestScan() throws {
        try Files.makeFolder(folder.file("collector"))
        try Files.makeFolder(data)
        try file().write(isRunning: false)
        let samples = try samples()
        #expect(samples["tapline_publisher_backlog_scans"] == 0)
        #expect(samples["tapline_publisher_oldest_unsent_timestamp_seconds"] == nil)
        #expect(samples["tapline_publisher_running"] == 0 && samples["tapline_gate_running"] == 0)
    }

    @Test func missingFolderEndsNothingAndIsRetried() async throws {
        let stop = StopSignal()
        let file = file()
        stop.stop()
        try await file.service().run(stop)
        #expect(!Files.exists(path))
        try Files.makeFolder(folder.file("collector"))
        try file.write()
        #expect(Files.exists(path))
    }
}
