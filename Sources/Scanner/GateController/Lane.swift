import AccessControl
import CLI
import DataFolder
import LinuxSystem
package import Runtime
import ScanJournal
import ScanModel
package import SnapshotInstall
import Snapshots

/// One lane, from tag to verdict, synchronous, confined to one plain thread: look up, decide, log, and only then tell.
///
/// Everything from other threads (readers, the passage sensor, the gate chief) comes through one bounded mailbox; everything to
/// them leaves by `notify`, which does not wait. Between two taps, and never before one that waits, the lane does what it
/// owes: it takes a new snapshot, annuls who did not pass, tidies the journal, says how it is.
package final class Lane {
    /// How often a lane without taps looks around.
    package static let idleMs = 500
    /// So long after the last event a lane begins to tidy up: the next person is not here yet.
    static let quietMs = 30
    /// A lane that is never quiet looks around all the same, so often.
    static let busyMs: Int64 = 2_000

    /// Taps that could not be logged: refused, but for the way out.
    package internal(set) var unlogged = 0

    let settings: Settings
    let watch: SnapshotReloader
    let device: DeviceMonitor
    let mailbox: Mailbox<TimestampedEvent>
    let time: LaneTime
    let tell: (String) throws -> Void
    let notify: (LaneUpdate) -> Void
    let log: Log
    let startedS: Int64

    /// Nil only while a damaged one is being replaced.
    var journal: Journal?
    var clock = DeviceClock()
    var snapshot: Snapshot?
    /// What it says of tags can be read; false until another one comes, once it could not.
    var isSnapshotReadable = true
    var choice = GateChoice.none("there is no snapshot")
    /// The choice as the disk has it.
    var known: LastKnownGate?
    var orders = PersistedCommands()
    /// A file of orders that could not be understood, or orders that could not be kept.
    var ordersProblem: String?
    var deskProblem: String?
    var journalProblem: String?
    /// What is wrong with each reader; nil: it works.
    var readerProblems: [String?]
    var turnstileProblem: String?
    /// While something is, nobody can be seen passing, and nobody is annulled.
    var sensorProblem: String?
    var facts = DeviceStatus()
    /// Of this scanner's earlier journals, the last seq: what may still wait to be shipped.
    var earlier: [JournalID: Int64] = [:]
    /// When the present journal began, by the clock that never steps.
    var journalSinceMs: Int64 = 0
    var memory = AntiPassbackMemory()
    /// Made in part while no list could tell whose the bands were.
    var isMemoryAnonymous = false
    var debounce = Debounce()
    /// Of the last mode that the journal holds; nil: none that is young enough to matter.
    var loggedMode: LaneMode?
    /// Who was let in and has not been seen passing, the first first.
    var due: [PendingPassage] = []
    var isLogging = true
    var isClockTrusted = true
    private var lineNumber = 0
    private var isTidy = false
    private var lookedMs: Int64 = 0
    private var isStateKnown = false
    private var lastState = LaneState()
    private var lastFile: GateState?

    /// Opens the journal and takes the snapshot in force, which `watch.check()` has opened; carries on with the mode and the
    /// gate that were ordered before.
    ///
    /// Throws what `Journal.init` throws.
    /// - Parameters:
    ///   - device: whose service may run or not; without it no backlog is known.
    ///   - time: the device's clocks.
    ///   - notify: told on the lane's thread; must not wait.
    ///   - tell: takes one line a tap, without a newline; what it throws is logged and changes nothing, for the tap is in
    ///     the journal.
    package init(
        _ settings: Settings, watch: SnapshotReloader, device: DeviceMonitor? = nil,
        mailbox: Mailbox<TimestampedEvent> = Mailbox(capacity: LaneEvent.capacity), time: LaneTime = .device,
        tell: @escaping (String) throws -> Void = StandardOutput.writeLine,
        notify: @escaping (LaneUpdate) -> Void = { _ in }
    ) throws {
        (self.settings, self.watch, self.mailbox, self.time) = (settings, watch, mailbox, time)
        startedS = time.nowMs() / 1_000
        (self.notify, self.tell) = (notify, tell)
        self.device = device ?? DeviceMonitor(folder: settings.folder)
        log = Log("lane", [.scanner: settings.scanner])
        readerProblems = Array(repeating: nil, count: settings.readers.count)
        let journal = try openJournal()
        self.journal = journal
        countEarlier()
        GateState.removeLeftovers(folder: settings.folder)
        clock.lastScanMs = journal.lastAtMs
        readOrders()
        beginWithKnownGate()
        takeSnapshot()
        if snapshot == nil {
            let answer = choice.gate?.policy.noSnapshot ?? .deny
            log.warning(
                "no snapshot: the answer is the gate's policy", [.folder: settings.folder, .state: answer.rawValue])
        }
        carryOn()
        log.info("lane open", [.journal: journal.id, .reader: settings.readers.map(\.name).joined(separator: ", ")])
        look()
    }

    /// Works until the input ends or `stop` is told, which the tap in hand does not notice.
    ///
    /// Throws `SystemError` when the input cannot be read, and `ProgramError` (failed) at its end if a tap could not be
    /// logged.
    /// - Parameter input: standard input; nil where it is no reader. Its end ends a lane without another reader.
    package func run(_ input: LineInput?, stop: StopSignal) throws {
        var input = input
        while !stop.isStopped {
            let event = try wait(input, stop)
            takeSnapshot()
            // What came until now is heard before anybody is overdue: while the disk was slow it could not be.
            let heardMs = time.monotonicMs()
            let inputs = mailbox.drain()
            for item in inputs { handle(item) }
            switch event {
            case .line(let line):
                lineNumber += 1
                handle(line, lineNumber)
            case .tooLong:
                lineNumber += 1
                log.error("line is not a tap", [.line: lineNumber, .reason: "it is too long"])
            case .end:
                input = nil
                if settings.readers.count <= 1 { return try close() }
                log.info("standard input has ended; the other readers go on")
            case .idle where inputs.isEmpty: beQuiet()
            case .idle, .other, .stopped: break
            }
            annulOverdue(heardMs)
            if time.monotonicMs() - lookedMs >= Lane.busyMs { look() }
        }
        try close()
    }

    private func wait(_ input: LineInput?, _ stop: StopSignal) throws -> LineInput.Event {
        let timeoutMs = timeToNextDuty()
        guard let input else {
            let isAwake = Poll.wait([mailbox.descriptor, stop.descriptor], timeoutMs: timeoutMs).contains(true)
            return stop.isStopped ? .stopped : isAwake ? .other : .idle
        }
        return try input.next(or: stop, other: mailbox.descriptor, withinMs: timeoutMs)
    }

    private func timeToNextDuty() -> Int {
        let wait = isTidy ? Lane.idleMs : Lane.quietMs
        guard let first = due.first else { return wait }
        return Int(max(0, min(Int64(wait), first.untilMs - time.monotonicMs())))
    }

    /// Nobody has come for a while: one bounded piece of the work that can wait.
    private func beQuiet() {
        look()
        if !isTidy { isTidy = !tidyJournal() && !memory.dropOldDays() }
    }

    /// To be called with every event: there may be something to tidy again.
    func wake() { isTidy = false }

    private func close() throws {
        for item in mailbox.drain() { handle(item) }
        look()
        log.info("lane closed", [.journal: journal?.id.description ?? "", .seq: journal?.lastSeq ?? 0])
        if unlogged > 0 { throw ProgramError.failed("\(unlogged) taps could not be logged") }
    }

    /// One line of standard input, numbered from 1. A bad one is told on standard error, and the lane goes on.
    package func handle(_ line: String, _ number: Int) {
        let index = settings.stdin ?? 0
        do throws(TapLineError) {
            guard let tap = try TapLine(line, otherwise: settings.readers[index].direction) else { return }
            handle(Tap(.uid(tap.uid), proof: .uid, direction: tap.direction, atMs: tap.atMs), reader: index)
        } catch {
            log.error("line is not a tap", [.line: number, .reason: error])
        }
    }

    /// One thing that comes just now.
    package func handle(_ input: LaneEvent) {
        handle(TimestampedEvent(input, atMs: time.nowMs(), monotonicMs: time.monotonicMs()))
    }

    /// One thing that another thread has sent.
    package func handle(_ arrival: TimestampedEvent) {
        switch arrival.input {
        case .reader(let index, .tap(let tap)): handle(tap, reader: index, arrival)
        case .reader(let index, .lost(let reason)): readerLost(index, reason)
        case .reader(let index, .back): readerBack(index)
        case .passage: somebodyPassed(atMs: arrival.monotonicMs)
        case .turnstile(let problem): turnstile(problem)
        case .sensor(let problem): sensor(problem)
        case .order(let order, let answer): answer(obey(order))
        }
    }

    /// Something is wrong that the crew should see at once: after the tap in hand.
    func lookSoon() { lookedMs = time.monotonicMs() - Lane.busyMs }

    /// Takes in what has changed, and tells it: `gate.json` and the idle screen. Not in the way of a tap that waits.
    func look() {
        lookedMs = time.monotonicMs()
        takeSnapshot()
        trustClock(nowMs: time.nowMs())
        if let facts = device.take() { self.facts = facts }
        let state = state()
        if !isStateKnown || state != lastState {
            (isStateKnown, lastState) = (true, state)
            notify(.state(state))
        }
        let file = file(state)
        guard file != lastFile else { return }
        lastFile = file
        do { try file.write(folder: settings.folder) } catch {
            log.warning("gate.json cannot be written", [.error: "\(error)"])
        }
    }
}
