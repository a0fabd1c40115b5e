package import DataFolder
import FoundationEssentials
import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall

/// The status of a publisher, read from the data folder, with or without a running publisher.
package struct StatusReport: Codable, Sendable {
    /// One journal of the folder. Times are RFC 3339.
    package struct JournalLine: Codable, Sendable {
        /// ID of the journal.
        package var log: String
        /// ID of the scanner that wrote it.
        package var scanner: String
        /// Creation of the journal, by the device clock.
        package var created: String
        /// Last seq of the journal; 0 without scans.
        package var lastSeq: Int64
        /// Last seq that the broker has confirmed.
        package var shipped: Int64
    }

    /// ID of the scanner whose scans are uploaded; `nil` if it is not known.
    package var scanner: String?
    /// Number of scans of the scanner that the broker has not confirmed.
    package var backlog: Int64
    /// All journals of the folder, in order of creation.
    package var journals: [JournalLine]
    /// Number of unconfirmed scans of other scanners, by scanner. They are not uploaded from this folder.
    package var foreign: [String: Int64]
    /// The version of the installed snapshot.
    package var snapshot: Int64?
    /// The version that the gate uses, if it is not the installed one. 0 stands for none.
    package var gateSnapshot: Int64?
    /// The event to which the scanner is pinned; `nil` before the first installation.
    package var event: String?
    /// Whether a publisher is running on the folder.
    package var running: Bool
    /// The content of `publisher.json`.
    package var publisher: PublisherStatus.Report?
    /// All that is wrong with upload and download, in English; empty if all is well.
    package var faults: [String] = []

    /// Reads the data folder and changes nothing. A file that cannot be read is a fault.
    ///
    /// - Parameters:
    ///   - folder: The scanner's data folder.
    ///   - scanner: The scanner, or `nil` for that of the publisher, or else that of the newest journal.
    package init(folder: String, scanner: ScannerID?) {
        var unreadable: [String] = []
        func attempt<Result>(_ fallback: Result, _ body: () throws -> Result) -> Result {
            do { return try body() } catch {
                unreadable.append((error as? DataFileError)?.alarm ?? "\(error)")
                return fallback
            }
        }
        let records = attempt([]) { try JournalReader(folder: folder).journals() }
        let shipped = attempt([:]) { try UploadCursors.read(folder: folder) }
        let publisher = PublisherStatus.read(folder: folder)
        let own = scanner?.text ?? publisher?.scanner ?? records.last?.scanner.text
        let store = SnapshotStore(folder: DataFolderPaths.snapshots(folder))
        self.scanner = own
        self.publisher = publisher
        backlog = 0
        foreign = [:]
        for record in records {
            let waiting = max(0, record.lastSeq - shipped[record.journalID, default: 0])
            if record.scanner.text == own {
                backlog += waiting
            } else {
                foreign[record.scanner.text, default: 0] += waiting
            }
        }
        journals = records.map { record in
            JournalLine(
                log: "\(record.journalID)", scanner: record.scanner.text,
                created: UTCTime.text(milliseconds: record.createdMs), lastSeq: record.lastSeq,
                shipped: shipped[record.journalID, default: 0])
        }
        snapshot = store.currentVersion()
        event = store.pinnedEvent
        let gate = GateState.read(folder: folder)
        gateSnapshot = gate.flatMap(\.snapshot).flatMap { $0 == store.currentVersion() ? nil : $0 }
        running = PublisherStatus.isRunning(folder: folder)
        faults = unreadable
        findFaults(GateLiveness(folder: folder, gate), gate)
        if !faults.contains(where: { $0.hasPrefix("lane: disk ") }) {
            faults += [GateState.diskFault(folder: folder)].compactMap(\.self)
        }
    }

    private mutating func findFaults(_ gate: GateLiveness, _ state: GateState?) {
        if !running { faults.append("no publisher is running on this folder") }
        if let fault = gate.fault { faults.append(fault) }
        if gate != .stopped, let state { findLaneFaults(state) }
        if running, let upload = publisher?.upload {
            let error = upload.lastError
            switch upload.state {
            case .connected: if backlog > 0, let error { faults.append(error) }
            case .blocked: faults.append(error ?? "publishing is blocked by the broker")
            case .waiting: faults.append(error ?? "no connection to the broker")
            case .starting, .stopped, .unknown: break
            }
        }
        if running, let error = publisher?.download.lastError { faults.append("snapshot download: \(error)") }
        if snapshot == nil { faults.append("no snapshot is installed") }
        if gate == .running, let snapshot, let gateSnapshot {
            faults.append("the gate decides from snapshot \(gateSnapshot), and \(snapshot) is installed")
        }
        for (name, count) in foreign.sorted(by: { $0.key < $1.key }) where count > 0 {
            faults.append("\(count) scans of \(name) are not uploaded from this folder")
        }
    }

    /// Adds what the running gate reports of itself. A lane with a fault must not be reported as healthy.
    private mutating func findLaneFaults(_ state: GateState) {
        if running, let own = publisher?.scanner, own != state.scanner {
            faults.append(
                "the gate runs as scanner \(state.scanner), and the publisher uploads the scans of \(own): "
                    + "start both with the same scanner ID")
        }
        let texts = state.deviceFaults + (state.alarms ?? []) + [state.problem].compactMap(\.self)
        for text in texts where !faults.contains("lane: \(text)") { faults.append("lane: \(text)") }
    }

    /// Returns one JSON object on one line, with its keys in alphabetical order.
    package func json() throws -> String { try sortedJSON(self) }

    /// Returns the report as lines of text.
    package func lines() -> [String] {
        var lines = ["scanner    \(scanner ?? "-")", "running    \(running ? "yes" : "no")", "backlog    \(backlog)"]
        lines.append("snapshot   " + (snapshot.map { "\($0)" + (event.map { " of \($0)" } ?? "") } ?? "none"))
        if let gateSnapshot {
            lines.append("gate       decides from \(gateSnapshot == 0 ? "none" : "\(gateSnapshot)")")
        }
        if let publisher {
            let upload = publisher.upload
            lines.append(
                "broker     \(upload.state.rawValue)" + (upload.address.map { " \($0)" } ?? "")
                    + (upload.since.map { " since \($0)" } ?? ""))
            if let last = upload.lastConfirmed { lines.append("confirmed  \(last)") }
            if let error = upload.lastError { lines.append("problem    \(error)") }
            if let due = publisher.download.due { lines.append("newer      \(due)") }
            if let error = publisher.download.lastError { lines.append("download   \(error)") }
        }
        for (name, count) in foreign.sorted(by: { $0.key < $1.key }) {
            lines.append("foreign    \(count) scans of \(name), not uploaded from here")
        }
        for journal in journals.suffix(10) {
            lines.append("journal    \(journal.log) \(journal.shipped)/\(journal.lastSeq) since \(journal.created)")
        }
        lines += faults.map { "alarm      \($0)" }
        return lines
    }
}

/// Returns one JSON object on one line, with its keys in alphabetical order.
func sortedJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
