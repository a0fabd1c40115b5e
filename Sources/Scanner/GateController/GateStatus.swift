import DataFolder
import FoundationEssentials
import LinuxSystem
import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall
import Snapshots

/// What `tapline-gate status` tells, gathered from the data folder beside a running gate, or without one.
package struct GateStatus: Codable, Sendable {
    package struct JournalState: Codable, Sendable {
        package var log: String
        package var scanner: String
        package var createdAt: String
        package var lastSeq: Int64
        package var shipped: Int64
    }

    package struct SnapshotState: Codable, Sendable {
        package var version: Int64
        package var event: String
        package var createdAt: String
        package var expiresAt: String
        /// Seconds by the device clock; negative for one from the future.
        package var age: Int64
        package var expired: Bool
    }

    package var running: Bool
    /// Nil where the gate never ran and `--scanner` was not given.
    package var scanner: String?
    package var gate: String?
    package var gateId: Int64?
    package var zone: String?
    /// Why the lane has no gate, or the snapshot or journal cannot be read.
    package var problem: String?
    /// Of the gate that runs, or ran last: `normal`, `free`, `closed`, `inspection`.
    package var mode: String?
    package var readers: [LaneState.Reader]?
    /// `ok`, or what is wrong; nil without one.
    package var turnstile: String?
    /// Of the gate that runs: what the crew should know or do.
    package var alarms: [String]?
    package var diskUsedPercent: Int?
    /// Journals that were set aside as damaged, by file name; `tapline-gate recover` reads them.
    package var damaged: [String]
    /// The last journal, and its last seq.
    package var log: String?
    package var seq: Int64?
    /// Of this scanner's journals.
    package var scans: Int64
    package var shipped: Int64
    package var backlog: Int64
    /// Of other scanners in the same file, which nobody ships from here.
    package var foreign: Int64
    package var snapshot: SnapshotState?
    package var journals: [JournalState]

    /// Reads only. What cannot be read is told in `problem`.
    /// - Parameter scanner: nil: the one of the gate that runs or ran last, else of the last journal.
    package init(folder: String, scanner: ScannerID?) {
        var problems: [String] = []
        func attempt<Result>(_ otherwise: Result, _ body: () throws -> Result) -> Result {
            do { return try body() } catch {
                problems.append("\(error)")
                return otherwise
            }
        }
        let state = GateState.read(folder: folder)
        let records = attempt([]) { try JournalReader(folder: folder).journals() }
        let cursors = attempt([:]) { try UploadCursors.read(folder: folder) }
        let name = scanner?.text ?? state?.scanner ?? records.last?.scanner.text
        running = state?.isRunning ?? false
        self.scanner = name
        (gate, gateId, zone) = (state?.gateName, state?.gate, state?.zone)
        (mode, readers, turnstile) = (state?.mode, state?.readers, state?.turnstile)
        if running { (alarms, diskUsedPercent) = (state?.alarms, state?.diskUsedPercent) }
        damaged = Journal.damagedFiles(folder: folder).map { String($0.split(separator: "/").last ?? "") }
        if running, let problem = state?.problem { problems.append(problem) }
        (log, seq) = (records.last?.journalID.description, records.last?.lastSeq)
        journals = records.map {
            JournalState(
                log: $0.journalID.description, scanner: $0.scanner.text,
                createdAt: UTCTime.text(microseconds: $0.createdMs * 1_000), lastSeq: $0.lastSeq,
                shipped: min(cursors[$0.journalID] ?? 0, $0.lastSeq))
        }
        let own = journals.filter { $0.scanner == name }
        scans = own.reduce(0) { $0 + $1.lastSeq }
        shipped = own.reduce(0) { $0 + $1.shipped }
        backlog = scans - shipped
        foreign = journals.reduce(0) { $0 + $1.lastSeq } - scans
        if let path = SnapshotStore(folder: folder + "/snapshots").current() {
            snapshot = attempt(nil) { SnapshotState(try Snapshot(path: path)) }
        } else {
            problems.append("no snapshot")
        }
        problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
    }

    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    package func text() -> String {
        var lines = [
            "scanner   \(scanner ?? "-")  (\(running ? "running" : "not running"))",
            "gate      \(gate ?? "-")\(zone.map { " into \($0)" } ?? "")",
            "lane      \(laneText)",
            "journal   \(log ?? "-")  seq \(seq ?? 0)",
            "scans     \(scans) in \(journals.count) journals, \(shipped) shipped, \(backlog) waiting",
        ]
        if foreign > 0 { lines.append("          \(foreign) scans of other scanners in the same file") }
        if let snapshot {
            lines.append(
                "snapshot  \(snapshot.version) of \(snapshot.event), \(snapshot.age / 3_600) h old, "
                    + "\(snapshot.expired ? "EXPIRED" : "expires") \(snapshot.expiresAt)")
        }
        lines += damaged.map { "damaged   \($0): set aside; tapline-gate recover reads it" }
        lines += (alarms ?? []).map { "alarm     \($0)" }
        if let problem { lines.append("problem   \(problem)") }
        return lines.joined(separator: "\n")
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
        (version, event) = (snapshot.version, snapshot.event)
        createdAt = UTCTime.text(microseconds: snapshot.createdS * 1_000_000)
        expiresAt = UTCTime.text(microseconds: snapshot.expiresS * 1_000_000)
        (age, expired) = (nowS - snapshot.createdS, nowS >= snapshot.expiresS)
    }
}
