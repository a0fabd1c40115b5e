import Glibc
import Journal
public import Runtime
public import Scans
public import Snapshots

/// One lane, from tag to verdict, synchronous, confined to one plain thread: look up, decide, log, and only then tell.
public final class Lane {
    public struct Settings: Sendable {
        /// The scanner's data folder.
        public var folder: String
        public var scanner: ScannerID
        public var key: EventKey
        /// `--gate`; nil: the scanner's default.
        public var gateName: String?
        public var format: VerdictLine.Format
        /// For `gate.json`.
        public var reader: String

        public init(
            folder: String, scanner: ScannerID, key: EventKey, gateName: String? = nil,
            format: VerdictLine.Format = .text, reader: String = "stdin"
        ) {
            (self.folder, self.scanner, self.key) = (folder, scanner, key)
            (self.gateName, self.format, self.reader) = (gateName, format, reader)
        }
    }

    /// How often a lane without taps looks for a new snapshot.
    public static let idleMs = 500

    /// Taps that could not be logged, and so were refused.
    public private(set) var unlogged = 0

    private let settings: Settings
    private let watch: SnapshotWatch
    private let tell: (String) throws -> Void
    private let log: Log
    private let startedS = SystemClock.nowMicroseconds() / 1_000_000

    /// Nil only while a damaged one is being replaced.
    private var journal: Journal?
    private var clock = DeviceClock()
    private var snapshot: Snapshot?
    private var choice = GateChoice.none("there is no snapshot")
    private var isPublished = false

    /// Opens the journal and takes the snapshot in force, which `watch.check()` has opened.
    ///
    /// Throws what `Journal.init` throws.
    /// - Parameter tell: takes one line a tap, without a newline; what it throws is logged and changes nothing, for the tap
    ///   is in the journal.
    public init(
        _ settings: Settings, watch: SnapshotWatch,
        tell: @escaping (String) throws -> Void = StandardOutput.writeLine
    ) throws {
        (self.settings, self.watch, self.tell) = (settings, watch, tell)
        log = Log("lane", [.scanner: settings.scanner])
        let journal = try Journal(folder: settings.folder, scanner: settings.scanner)
        self.journal = journal
        GateState.removeLeftovers(folder: settings.folder)
        clock.lastScanMs = journal.lastAtMs
        takeSnapshot()
        if snapshot == nil { log.warning("no snapshot: every way in is refused", [.folder: settings.folder]) }
        log.info("lane open", [.journal: journal.id, .reader: settings.reader])
        publishState()
    }

    /// Reads taps until the input ends or `stop` is told, which the tap in hand does not notice.
    ///
    /// Throws `SystemError` when the input cannot be read, and `ProgramError` (failed) at its end if a tap could not be
    /// logged.
    public func run(_ input: LineInput, stop: StopSignal) throws {
        var number = 0
        loop: while true {
            let event = try input.next(or: stop, withinMs: Lane.idleMs)
            takeSnapshot()
            switch event {
            case .line(let line):
                number += 1
                handle(line, number)
            case .tooLong:
                number += 1
                log.error("line is not a tap", [.line: number, .reason: "it is too long"])
            case .idle: break
            case .stopped, .end: break loop
            }
            publishState()
        }
        log.info("lane closed", [.journal: journal?.id.description ?? "", .seq: journal?.lastSeq ?? 0])
        if unlogged > 0 { throw ProgramError.failed("\(unlogged) taps could not be logged and were refused") }
    }

    /// One line of the input, numbered from 1. A bad one is told on standard error, and the lane goes on.
    public func handle(_ line: String, _ number: Int) {
        do throws(TapLineError) {
            guard let tap = try TapLine(line) else { return }
            handle(tap)
        } catch {
            log.error("line is not a tap", [.line: number, .reason: error])
        }
    }

    private func handle(_ tap: TapLine) {
        let tag = settings.key.tagID(of: .uid(tap.uid))
        let atMs = tap.atMs ?? SystemClock.nowMicroseconds() / 1_000
        // A time that comes with the tap is as good as who gives it.
        let isTrusted = tap.atMs != nil || clock.isTrusted(atMs: atMs, isSynchronised: SystemClock.isSynchronised)
        let (decision, pass) = decide(tag, tap.direction, atMs, isTrusted)
        do {
            let (id, scan) = try append(atMs: atMs, tag, decision)
            // The first of a new journal.
            if scan.seq == 1 { isPublished = false }
            if tap.atMs == nil, isTrusted { clock.lastScanMs = max(clock.lastScanMs ?? 0, scan.atMs) }
            print(VerdictLine(log: id, scan: scan, zone: zoneName(tap.direction), pass: pass).text(settings.format))
        } catch {
            unlogged += 1
            log.error("tap could not be logged: refused", [.error: "\(error)", .tag: tag.rawValue])
            // People at the lane look at one place; a program gets only what is in the journal.
            if settings.format == .text { print("REFUSED: the tap could not be logged (\(error))") }
        }
    }

    private func decide(
        _ tag: TagID, _ direction: Direction, _ atMs: Int64, _ isTrusted: Bool
    ) -> (Decision, Pass?) {
        var attendee: Attendee?
        var state = Decision.SnapshotState.unusable
        if let snapshot {
            do {
                attendee = try snapshot.attendee(tag)
                state = .inForce(expiresS: snapshot.expiresS)
            } catch { log.error("snapshot cannot be read", [.snapshot: snapshot.version, .error: "\(error)"]) }
        }
        let pass = attendee.flatMap { snapshot?.passes[$0.pass] }
        let facts = Decision.Facts(
            direction: direction, atMs: atMs, clockIsTrusted: isTrusted, gate: choice.gate, snapshot: state,
            attendee: attendee, pass: pass, zones: snapshot?.zoneTree ?? ZoneTree())
        return (Decision(facts), pass)
    }

    /// Logs the tap. A journal that turns out to be damaged is set aside and a new one tried, once.
    private func append(atMs: Int64, _ tag: TagID, _ decision: Decision) throws -> (JournalID, Scan) {
        func attempt() throws -> (JournalID, Scan) {
            if self.journal == nil {
                self.journal = try Journal(folder: settings.folder, scanner: settings.scanner)
            }
            let journal = self.journal!
            let scan = try journal.append(
                atMs: atMs, tag: tag, verdict: decision.verdict, flags: decision.flags, gate: choice.gate?.id,
                snapshot: snapshot?.version ?? 0)
            return (journal.id, scan)
        }
        do { return try attempt() } catch let error as JournalError where error.isDamaged {
            log.error("journal is damaged", [.error: error])
            journal = nil
            return try attempt()
        }
    }

    private func takeSnapshot() {
        guard let next = watch.take() else { return }
        snapshot = next
        isPublished = false
        clock.snapshotCreatedS = next.createdS
        choice = GateChoice(next, scanner: settings.scanner, named: settings.gateName, previous: choice.gate)
        log.info("snapshot in force", [.snapshot: next.version, .gate: choice.gate?.name ?? "none"])
        if case .none(let reason) = choice { log.warning("no gate: every way in is refused", [.reason: reason]) }
    }

    private func zoneName(_ direction: Direction) -> String? {
        let id = direction == .in ? choice.gate?.zone : choice.gate?.fromZone
        return id.flatMap { snapshot?.zones[$0]?.name }
    }

    private func print(_ line: String) {
        do { try tell(line) } catch { log.error("verdict could not be printed", [.error: "\(error)"]) }
    }

    /// Writes `gate.json` where something in it has changed.
    private func publishState() {
        guard !isPublished else { return }
        var state = GateState(
            pid: getpid(), scanner: settings.scanner.text, journal: journal?.id.description ?? "",
            reader: settings.reader, software: Program.version, startedS: startedS,
            snapshot: snapshot?.version ?? 0)
        (state.gate, state.gateName) = (choice.gate?.id, choice.gate?.name)
        state.zone = zoneName(.in)
        state.snapshotExpiresS = snapshot?.expiresS
        if case .none(let reason) = choice { state.problem = reason }
        isPublished = true
        do { try state.write(folder: settings.folder) } catch {
            log.warning("gate.json cannot be written", [.error: "\(error)"])
        }
    }
}
