package import DataFolder
import FoundationEssentials
import LinuxSystem
import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall
import Snapshots

/// The status of a gate, gathered from its data folder. The gate may run or not.
package struct GateStatus: Codable, Sendable {
    /// One journal in the folder. Times are RFC 3339.
    package struct JournalState: Codable, Sendable {
        /// ID of the journal.
        package var log: String
        /// ID of the scanner that wrote it.
        package var scanner: String
        /// Creation of the journal, by the device clock.
        package var createdAt: String
        /// Last seq of the journal; 0 without scans.
        package var lastSeq: Int64
        /// Last seq that the broker has confirmed.
        package var shipped: Int64
    }

    /// The current snapshot of the folder. Times are RFC 3339.
    package struct SnapshotState: Codable, Sendable {
        /// Version of the snapshot.
        package var version: Int64
        /// Name of the event.
        package var event: String
        /// Creation of the snapshot at the center.
        package var createdAt: String
        /// Time from which on the snapshot counts as expired.
        package var expiresAt: String
        /// Seconds by the device clock; negative if the creation is in the future.
        package var age: Int64
        /// Whether it has expired by the device clock.
        package var expired: Bool
    }

    /// Whether the process of a gate runs on the folder.
    package var running: Bool
    /// Seconds since the lane's last sign of life; `nil` if it responds or no gate runs.
    package var unresponsiveS: Int64?
    /// `nil` if the gate never ran and no scanner was given.
    package var scanner: String?
    /// Name of the gate that is or was in use; `nil` without one.
    package var gate: String?
    /// ID of that gate.
    package var gateId: Int64?
    /// Name of the zone into which that gate admits; `nil` if it is not known.
    package var zone: String?
    /// Why the lane has no gate, or the snapshot or journal cannot be read.
    package var problem: String?
    /// Of the gate that runs, or ran last: `normal`, `free`, `closed`, `inspection`.
    package var mode: String?
    /// The readers of the gate that runs or ran last; `nil` if they are not known.
    package var readers: [GateState.Reader]?
    /// `ok`, or its problem; `nil` without a turnstile.
    package var turnstile: String?
    /// English texts of the alarms of the gate that runs; `nil` if no gate runs.
    package var alarms: [String]?
    /// All that is wrong with the lane, in English; empty if all is well. A mode that an operator set is no fault.
    package var faults: [String]
    /// Use of the disk with the data folder, in percent; `nil` if no gate runs.
    package var diskUsedPercent: Int?
    /// Number of reads that the readers of the last gate run dropped; `nil` if it is not known.
    package var droppedReads: Int64?
    /// Why the last of them was dropped; `nil` without one.
    package var lastDroppedRead: String?
    /// File names of the quarantined journals, for `tapline-gate recover`.
    package var damaged: [String]
    /// ID of the last journal.
    package var log: String?
    /// Last seq of the last journal.
    package var seq: Int64?
    /// Number of scans in this scanner's journals.
    package var scans: Int64
    /// Number of these scans that the broker has confirmed.
    package var shipped: Int64
    /// Number of these scans that the broker has not confirmed.
    package var backlog: Int64
    /// Number of scans of other scanners in the same file. No publisher uploads them from this folder.
    package var foreign: Int64
    /// The current snapshot; `nil` if none is installed or it cannot be read.
    package var snapshot: SnapshotState?
    /// All journals of the folder, in order of creation.
    package var journals: [JournalState]

    /// Reads the data folder and changes nothing. Read errors are reported in `problem`.
    ///
    /// - Parameter scanner: the scanner whose scans are counted; `nil` for the one of the gate that runs or ran last,
    ///   otherwise of the last journal.
    package init(folder: String, scanner: ScannerID?) {
        var problems: [String] = []
        func attempt<Result>(_ fallback: Result, _ body: () throws -> Result) -> Result {
            do { return try body() } catch {
                problems.append((error as? DataFileError)?.alarm ?? "\(error)")
                return fallback
            }
        }
        let state = GateState.read(folder: folder)
        let records = attempt([]) { try JournalReader(folder: folder).journals() }
        let cursors = attempt([:]) { try UploadCursors.read(folder: folder) }
        let name = scanner?.text ?? state?.scanner ?? records.last?.scanner.text
        let liveness = GateLiveness(folder: folder, state)
        running = liveness != .stopped
        if case .unresponsive(let ms) = liveness { unresponsiveS = ms / 1_000 }
        self.scanner = name
        gate = state?.gateName
        gateId = state?.gate
        zone = state?.zone
        mode = state?.mode
        readers = state?.readers
        turnstile = state?.turnstile
        droppedReads = state?.droppedReads
        lastDroppedRead = state?.lastDroppedRead
        damaged = DataFolderPaths.damagedJournals(folder)
        if running {
            alarms = state?.alarms
            diskUsedPercent = state?.diskUsedPercent
            if let problem = state?.problem { problems.append(problem) }
        }
        log = records.last?.journalID.description
        seq = records.last?.lastSeq
        journals = records.map {
            JournalState(
                log: $0.journalID.description, scanner: $0.scanner.text,
                createdAt: UTCTime.text(milliseconds: $0.createdMs), lastSeq: $0.lastSeq,
                shipped: min(cursors[$0.journalID] ?? 0, $0.lastSeq))
        }
        let own = journals.filter { $0.scanner == name }
        scans = own.reduce(0) { $0 + $1.lastSeq }
        shipped = own.reduce(0) { $0 + $1.shipped }
        backlog = scans - shipped
        foreign = journals.reduce(0) { $0 + $1.lastSeq } - scans
        if let path = SnapshotStore(folder: DataFolderPaths.snapshots(folder)).current() {
            do { snapshot = SnapshotState(try Snapshot(path: path)) } catch {
                problems.append("\(error): install the snapshot again with tapline-publisher fetch")
            }
        } else {
            problems.append("no snapshot")
        }
        problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
        faults = []
        if let fault = liveness.fault { faults.append(fault) }
        faults += (state?.deviceFaults ?? []) + (alarms ?? [])
        faults += problems.filter { !faults.contains($0) }
        if !faults.contains(where: { $0.hasPrefix("disk ") }) {
            faults += [GateState.diskFault(folder: folder)].compactMap(\.self)
        }
        if !running {
            if snapshot?.expired == true { faults.append("snapshot expired") }
            faults += damaged.map { "damaged journal \($0): run tapline-gate recover" }
        }
    }

    /// The status as one JSON object.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// The status as lines to read.
    package func lines() -> [String] {
        var lines = [
            "scanner   \(scanner ?? "-")  (\(runningText))",
            "gate      \(gate ?? "-")\(zone.map { " into \($0)" } ?? "")",
            "lane      \(laneText)",
            "journal   \(log ?? "-")  seq \(seq ?? 0)",
            "scans     \(scans) in \(journals.count) journals, \(shipped) shipped, \(backlog) waiting",
        ]
        if let droppedReads, droppedReads > 0 {
            lines.append("dropped   \(droppedReads) reads since the start, the last one: \(lastDroppedRead ?? "-")")
        }
        if foreign > 0 { lines.append("          \(foreign) scans of other scanners in the same file") }
        if let snapshot {
            lines.append(
                "snapshot  \(snapshot.version) of \(snapshot.event), \(snapshot.age / 3_600) h old, "
                    + "\(snapshot.expired ? "EXPIRED" : "expires") \(snapshot.expiresAt)")
        }
        lines += damaged.map { "damaged   \($0): recover it with tapline-gate recover" }
        lines += faults.map { "alarm     \($0)" }
        return lines
    }

    private var runningText: String {
        guard running else { return "not running" }
        return unresponsiveS == nil ? "running" : "not responding"
    }

    private var laneText: String {
        var words = [mode ?? "-"]
        words += (readers ?? []).map { "\($0.direction)=\($0.name) \($0.problem ?? "ok")" }
        if let turnstile { words.append("turnstile \(turnstile)") }
        return words.joined(separator: ", ")
    }
}

extension GateStatus.SnapshotState {
    fileprivate init(_ snapshot: Snapshot) {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        version = snapshot.version
        event = snapshot.event
        createdAt = UTCTime.text(seconds: snapshot.createdS)
        expiresAt = UTCTime.text(seconds: snapshot.expiresS)
        age = nowS - snapshot.createdS
        expired = nowS >= snapshot.expiresS
    }
}
