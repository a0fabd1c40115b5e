import AccessControl
import DataFolder
import LinuxSystem
package import Runtime
import ScanModel
package import SnapshotInstall
import Snapshots

/// One lane: a synchronous loop on one thread. It receives events and dispatches them to the types that own the state.
///
/// Events from other threads (readers, passage sensor, operators) arrive through one bounded inbox. Updates to other
/// threads leave by `notify`, which does not wait. Background work runs between taps, and only when none is queued:
/// reload the snapshot, annul admissions without a passage, run journal maintenance, publish the status.
///
/// A tap goes from here to `TapHandler`, which decides (`Decision`), journals and shows it.
package final class Lane {
    /// Interval of the background work when the lane is idle, in milliseconds.
    package static let idleMs = 500
    /// Idle time before background work starts, in milliseconds.
    static let quietMs = 30
    /// Maximum interval between two publications of the status when the lane is never idle, in milliseconds.
    static let statusIntervalMs: Int64 = 2_000

    private let settings: Settings
    private let inbox: LaneInbox
    private let clock: LaneClock
    private let journal: LaneJournal
    private let memory: TapMemory
    private let binding: SnapshotBinding
    private let pending: PendingPassages
    private let taps: TapHandler
    private let commands: OperatorCommands
    private let monitor: LaneMonitor
    private let log: Log
    private var lineNumber = 0
    /// Number of lines of standard input that were taps.
    private var linesTaken = 0
    /// Number of lines of standard input that were no taps.
    private var linesDropped = 0
    private var isMaintenanceDone = false

    /// Opens the journal, takes the snapshot that `reloader.check()` has opened, and resumes the saved mode and gate.
    ///
    /// - Parameters:
    ///   - reloader: opens new snapshots on another thread.
    ///   - deviceMonitor: its service may run or not; without it the backlog is not known.
    ///   - inbox: receives the events of other threads.
    ///   - time: the clocks of the device.
    ///   - writeVerdict: writes one line per tap, without a newline. An error is logged and changes nothing, because
    ///     the tap is in the journal.
    ///   - notify: receives updates on the lane's thread; must not wait.
    /// - Throws: the errors of `Journal.init`.
    package init(
        _ settings: Settings, reloader: SnapshotReloader, deviceMonitor: DeviceMonitor? = nil,
        inbox: LaneInbox = LaneInbox(), time: LaneTime = .device,
        writeVerdict: @escaping (String) throws -> Void = StandardOutput.writeLine,
        notify: @escaping (LaneUpdate) -> Void = { _ in }
    ) throws {
        let log = Log("lane", [.scanner: settings.scanner])
        let clock = LaneClock(time)
        let startedS = clock.nowMs / 1_000
        let pending = PendingPassages(passageMs: settings.passageMs, clock: clock)
        let journal = try LaneJournal(settings: settings, clock: clock, pending: pending, log: log)
        let memory = TapMemory(log: log)
        let store = CommandStore(folder: settings.folder, log: log)
        let binding = SnapshotBinding(
            settings: settings, reloader: reloader, commands: store, journal: journal, memory: memory, clock: clock,
            log: log)
        let output = VerdictOutput(format: settings.format, writeVerdict: writeVerdict, notify: notify, log: log)
        taps = TapHandler(
            settings: settings, clock: clock, journal: journal, memory: memory, binding: binding, pending: pending,
            commands: store, output: output, log: log)
        monitor = LaneMonitor(
            settings: settings, clock: clock, journal: journal, binding: binding, pending: pending, commands: store,
            deviceMonitor: deviceMonitor ?? DeviceMonitor(folder: settings.folder), output: output,
            startedS: startedS, log: log)
        commands = OperatorCommands(
            settings: settings, store: store, clock: clock, journal: journal, memory: memory, binding: binding,
            pending: pending, taps: taps, output: output, monitor: monitor, log: log)
        self.settings = settings
        self.inbox = inbox
        self.clock = clock
        self.journal = journal
        self.memory = memory
        self.binding = binding
        self.pending = pending
        self.log = log
        open()
    }

    private func open() {
        binding.reload()
        if binding.snapshot == nil {
            let fallback = binding.gate?.policy.noSnapshot ?? .deny
            log.warning(
                "no snapshot: the gate's policy decides", [.folder: settings.folder, .state: fallback.rawValue])
        }
        commands.resumeMode()
        let readers = settings.readers.map(\.name).joined(separator: ", ")
        log.info("lane open", [.journal: journal.id?.description ?? "", .reader: readers])
        monitor.publish()
    }

    /// Number of taps that could not be journaled: they were rejected, except for exits.
    package var notJournaled: Int { taps.notJournaled }

    // MARK: Loop

    /// Opens the control socket and runs the loop. A failure of the socket raises an alarm and does not close the lane.
    ///
    /// - Parameters: see `run`.
    /// - Throws: the errors of `run`.
    package func runWithControlSocket(_ input: LineInput?, stop: StopSignal) throws {
        var server: ControlServer?
        do { server = try ControlServer(folder: settings.folder, inbox: inbox) } catch {
            monitor.controlSocketFailed(error)
        }
        defer { server?.close() }
        try run(input, stop: stop)
    }

    /// Runs until the input ends or `stop` is set. A tap in progress is finished first.
    ///
    /// - Parameters:
    ///   - input: standard input; `nil` if it is not a reader. Its end ends a lane without another reader.
    ///   - stop: ends the loop.
    /// - Throws: `SystemError` if the input cannot be read. At the end, `LaneError` if a tap could not be journaled, or
    ///   if an ended input had lines and none was a tap.
    package func run(_ input: LineInput?, stop: StopSignal) throws {
        var input = input
        while !stop.isStopped {
            let inputEvent = try wait(input, stop)
            binding.reload()
            // Passages that arrived until now are handled before overdue admissions are annulled: while the disk was
            // slow, they could not be.
            let drainedMs = clock.monotonicMs
            let events = inbox.drain()
            for event in events { dispatch(event) }
            switch inputEvent {
            case .line(let line):
                lineNumber += 1
                handleLine(line, number: lineNumber)
            case .tooLong:
                lineNumber += 1
                dropLine(.tooLong, number: lineNumber, rule: "it is too long")
            case .end:
                input = nil
                if linesDropped > 0 {
                    log.error("lines of the input were no taps", [.count: linesDropped, .line: lineNumber])
                }
                if settings.readers.count <= 1 { return try close(inputEnded: true) }
                log.info("standard input ended, other readers continue")
            case .idle where events.isEmpty: performBackgroundWork()
            case .idle, .other, .stopped: break
            }
            taps.annulOverdue(atMs: drainedMs)
            if monitor.isPublishDue() { monitor.publish() }
        }
        try close()
    }

    /// Waits for a line, an event, the stop, or the time of background work.
    private func wait(_ input: LineInput?, _ stop: StopSignal) throws -> LineInput.Event {
        let timeoutMs = timeToBackgroundWorkMs()
        guard let input else {
            let isAwake = Poll.wait([inbox.descriptor, stop.descriptor], timeoutMs: timeoutMs).contains(true)
            return stop.isStopped ? .stopped : isAwake ? .other : .idle
        }
        return try input.next(or: stop, other: inbox.descriptor, withinMs: timeoutMs)
    }

    private func timeToBackgroundWorkMs() -> Int {
        let waitMs = isMaintenanceDone ? Lane.idleMs : Lane.quietMs
        guard let deadlineMs = pending.nextDeadlineMs else { return waitMs }
        return Int(max(0, min(Int64(waitMs), deadlineMs - clock.monotonicMs)))
    }

    /// Publishes the status and performs one bounded step of maintenance.
    private func performBackgroundWork() {
        monitor.publish()
        guard !isMaintenanceDone else { return }
        isMaintenanceDone =
            !journal.performMaintenance(keepFromMs: keepFromMs()) && !memory.performMaintenance()
    }

    /// The time from which on rows are never pruned, uploaded or not: the start of the previous event day.
    ///
    /// Rows of remembered persons are kept as well, because a device clock that is far ahead must not remove them.
    private func keepFromMs() -> Int64 {
        let nowS = clock.nowMs / 1_000
        let previousDay = binding.snapshot?.days.filter { $0.starts <= nowS }.suffix(2).first
        return min(previousDay.map { $0.starts * 1_000 } ?? .max, memory.beginsMs ?? .max)
    }

    /// - Parameter inputEnded: whether all lines were read. If none of them was a tap, that is an error, because a replay
    ///   of another format would seem to be complete. A reader may send single lines of noise.
    private func close(inputEnded: Bool = false) throws {
        for event in inbox.drain() { dispatch(event) }
        monitor.publish()
        log.info("lane closed", [.journal: journal.id?.description ?? "", .seq: journal.lastSeq])
        if notJournaled > 0 { throw LaneError.tapsNotJournaled(notJournaled) }
        if inputEnded, linesDropped > 0, linesTaken == 0 { throw LaneError.linesNotTaps(linesDropped, of: lineNumber) }
    }

    // MARK: Events

    /// Handles one line of standard input. A line that is not a tap is a dropped read.
    ///
    /// - Parameter number: line number from 1, for the log.
    package func handleLine(_ line: String, number: Int) {
        isMaintenanceDone = false
        let index = settings.stdin ?? 0
        do throws(TapLineError) {
            guard let tap = try TapLine(line, defaultDirection: settings.readers[index].direction) else { return }
            linesTaken += 1
            let proof = proof(ofUID: tap.uid)
            handleTap(Tap(.uid(tap.uid), proof: proof, direction: tap.direction, atMs: tap.atMs), reader: index)
        } catch {
            dropLine(.notATap, number: number, rule: error.description)
        }
    }

    private func dropLine(_ reason: DroppedRead, number: Int, rule: String) {
        linesDropped += 1
        monitor.lineDropped(reason, number: number, rule: rule)
    }

    /// The evidence for a UID on standard input. Bytes that are no UID of a chip identify no tag, unless the list has it.
    private func proof(ofUID uid: [UInt8]) -> Tap.Proof {
        guard let problem = ChipUID.problem(uid), binding.attendee(binding.tagID(of: .uid(uid))) == nil else {
            return .uid
        }
        return problem == .random ? .randomUID : .partialUID
    }

    /// Handles a tap, and counts it as a dropped read if it was rejected because it has no usable identity.
    private func handleTap(_ tap: Tap, reader index: Int, arrival: TimestampedEvent? = nil) {
        let verdict = taps.handle(tap, reader: index, arrival: arrival)
        // The verdict is shown: it says that the tag could not be read.
        if let reason = tap.proof.droppedRead, verdict == .notAuthentic {
            monitor.readDropped(index, reason, isShown: false)
        }
    }

    /// Handles one event of another thread.
    package func dispatch(_ arrival: TimestampedEvent) {
        isMaintenanceDone = false
        switch arrival.event {
        case .reader(let index, .tap(let tap)): handleTap(tap, reader: index, arrival: arrival)
        case .reader(let index, .dropped(let reason, let count)): monitor.readDropped(index, reason, count: count)
        case .reader(let index, .lost(let problem)): monitor.readerLost(index, problem)
        case .reader(let index, .back): monitor.readerBack(index)
        case .passage: taps.handlePassage(atMs: arrival.monotonicMs)
        case .turnstile(let problem): monitor.turnstileChanged(problem)
        case .sensor(let problem): monitor.sensorChanged(problem)
        case .command(let command, let reply): reply(commands.execute(command))
        }
    }
}
