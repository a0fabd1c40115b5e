import AccessControl
import DataFolder
import Glibc
import Runtime
import ScanModel
import Snapshots

/// Tracks readers, turnstile and passage sensor, and publishes the state of the lane: to displays, and in `gate.json`.
final class LaneMonitor {
    private let settings: Lane.Settings
    private let clock: LaneClock
    private let journal: LaneJournal
    private let binding: SnapshotBinding
    private let pending: PendingPassages
    private let commands: CommandStore
    private let deviceMonitor: DeviceMonitor
    private let output: VerdictOutput
    private let log: Log
    /// Seconds since 1970-01-01 UTC.
    private let startedS: Int64

    /// The problem of each reader; `nil` if it works.
    private var readerProblems: [ReaderProblem?]
    private var turnstileProblem: TurnstileProblem?
    private var hasControlSocket = true
    private var dropped = DroppedReads()
    private var device = DeviceStatus()
    /// Monotonic clock, in milliseconds.
    private var publishedMs: Int64 = 0
    /// Monotonic clock at the last beat, in milliseconds; `nil` before the first one.
    private var beatMs: Int64?
    private var isBeatWritten = true
    private var lastState: LaneState?
    private var lastFile: GateState?

    init(
        settings: Lane.Settings, clock: LaneClock, journal: LaneJournal, binding: SnapshotBinding,
        pending: PendingPassages, commands: CommandStore, deviceMonitor: DeviceMonitor, output: VerdictOutput,
        startedS: Int64, log: Log
    ) {
        self.settings = settings
        self.clock = clock
        self.journal = journal
        self.binding = binding
        self.pending = pending
        self.commands = commands
        self.deviceMonitor = deviceMonitor
        self.output = output
        self.startedS = startedS
        self.log = log
        readerProblems = Array(repeating: nil, count: settings.readers.count)
        GateState.removeLeftovers(folder: settings.folder)
    }

    // MARK: Devices

    func readerLost(_ index: Int, _ problem: ReaderProblem) {
        guard readerProblems.indices.contains(index) else { return }
        let isNew = readerProblems[index] == nil
        readerProblems[index] = problem
        if isNew {
            journal.appendEvent(
                .readerLost, in: binding.rowContext, reason: "\(settings.readers[index].name): \(problem)")
        }
        log.error("reader out of order", [.reader: settings.readers[index].name, .reason: problem])
        publish()
    }

    func readerBack(_ index: Int) {
        guard readerProblems.indices.contains(index), readerProblems[index] != nil else { return }
        readerProblems[index] = nil
        journal.appendEvent(.readerBack, in: binding.rowContext, reason: settings.readers[index].name)
        log.info("reader works again", [.reader: settings.readers[index].name])
        publish()
    }

    /// Counts and logs a dropped read, and shows it unless the tap has a verdict.
    func readDropped(_ index: Int, _ reason: DroppedRead, count: Int = 1, isShown: Bool = true) {
        guard settings.readers.indices.contains(index), count > 0 else { return }
        if isShown { output.showDropped(reason) }
        guard let unlogged = dropped.note(reason, count: count, nowMs: clock.monotonicMs) else { return }
        log.warning(
            "read dropped", [.reader: settings.readers[index].name, .reason: reason, .count: unlogged])
    }

    /// Counts, logs and shows a line of standard input that is not a tap.
    ///
    /// - Parameters:
    ///   - number: line number from 1.
    ///   - rule: the rule that the line breaks.
    func lineDropped(_ reason: DroppedRead, number: Int, rule: String) {
        output.showDropped(reason)
        guard let unlogged = dropped.note(reason, count: 1, nowMs: clock.monotonicMs) else { return }
        log.error("line is not a tap", [.line: number, .reason: rule, .count: unlogged])
    }

    func turnstileChanged(_ problem: TurnstileProblem?) {
        guard problem != turnstileProblem else { return }
        turnstileProblem = problem
        if let problem {
            log.error("turnstile out of order", [.reason: problem])
        } else {
            log.info("turnstile works again")
        }
        publish()
    }

    func sensorChanged(_ problem: PassageSensorProblem?) {
        guard problem != pending.sensorProblem else { return }
        pending.setSensorProblem(problem)
        if let problem {
            log.error("passage sensor out of order, annulments suspended", [.reason: problem])
        } else {
            log.info("passage sensor works again")
        }
        publish()
    }

    func controlSocketFailed(_ error: any Error) {
        hasControlSocket = false
        log.error("control socket not opened", [.error: "\(error)"])
    }

    // MARK: Publish

    /// Whether the state should be published although the lane is not idle: at intervals, and after a look-up failed.
    func isPublishDue() -> Bool {
        binding.takeFault() || clock.monotonicMs - publishedMs >= Lane.statusIntervalMs
    }

    /// Updates snapshot, clock and device status, and publishes the state if it has changed.
    ///
    /// Called by the lane's loop only, at least every `Lane.statusIntervalMs`.
    func publish() {
        publishedMs = clock.monotonicMs
        beat()
        binding.reload()
        clock.check(nowMs: clock.nowMs)
        if let status = deviceMonitor.latestChange() { device = status }
        let state = state()
        if state != lastState {
            lastState = state
            output.notify(.state(state))
        }
        let file = file(state)
        guard file != lastFile else { return }
        lastFile = file
        do { try file.write(folder: settings.folder) } catch {
            log.warning("gate.json not written", [.error: "\(error)"])
        }
    }

    /// Records that the lane's loop turns, at most once a second.
    private func beat() {
        let nowMs = clock.monotonicMs
        guard let bootID = clock.bootID, beatMs.map({ nowMs - $0 >= GateBeat.intervalMs }) ?? true else { return }
        beatMs = nowMs
        do {
            try GateBeat(bootID: bootID, pid: getpid(), atMs: nowMs).write(folder: settings.folder)
            isBeatWritten = true
        } catch {
            // Once per failure, because the next attempt follows within a second.
            if isBeatWritten { log.warning("gate.beat not written", [.error: "\(error)"]) }
            isBeatWritten = false
        }
    }

    private func state() -> LaneState {
        let snapshot = binding.snapshot
        var state = LaneState()
        state.scanner = settings.scanner.text
        state.gate = binding.gate?.name
        state.zone = binding.zoneName(.in)
        state.mode = commands.mode
        state.isInspection = settings.isInspection
        state.readers = zip(settings.readers, readerProblems).map { reader, problem in
            LaneState.Reader(name: reader.name, direction: reader.direction, problem: problem)
        }
        state.turnstileProblem = turnstileProblem
        state.snapshot = snapshot?.version ?? 0
        state.snapshotCreatedS = snapshot?.createdS
        state.snapshotExpiresS = snapshot?.expiresS
        state.backlog = journal.backlog(uploaded: device.uploaded)
        state.alarms = alarms()
        return state
    }

    /// The most serious first.
    private func alarms() -> [Alarm] {
        var alarms: [Alarm] = []
        if !journal.isJournaling { alarms.append(.tapsNotJournaled) }
        if binding.snapshot == nil { alarms.append(.noSnapshot) } else if binding.gate == nil { alarms.append(.noGate) }
        if binding.rejectsOtherKey { alarms.append(.snapshotOfOtherKey) }
        if !binding.isReadable { alarms.append(.snapshotUnreadable) }
        if binding.usesOlderSnapshot { alarms.append(.olderSnapshotInUse) }
        if let snapshot = binding.snapshot, clock.isTrusted, clock.nowMs / 1_000 >= snapshot.expiresS {
            alarms.append(.snapshotExpired)
        }
        if let percent = device.diskUsedPercent, percent >= Lane.Settings.diskAlarmPercent {
            alarms.append(.diskFull(percent: percent))
        }
        if !clock.isTrusted { alarms.append(.clockNotTrusted) }
        if pending.sensorProblem != nil { alarms.append(.passageSensorFailed) }
        if !device.damaged.isEmpty { alarms.append(.damagedJournals(device.damaged.count)) }
        if let alarm = commands.alarm { alarms.append(alarm) }
        if !hasControlSocket { alarms.append(.controlSocketFailed) }
        if let alarm = journal.maintenanceAlarm { alarms.append(alarm) }
        return alarms
    }

    private func file(_ state: LaneState) -> GateState {
        let readers = state.readers.map { reader in reader.name + (reader.problem.map { " (\($0))" } ?? "") }
        var file = GateState(
            pid: getpid(), scanner: settings.scanner.text, journal: journal.id?.description ?? "",
            reader: readers.joined(separator: ", "), software: Software.version, startedS: startedS,
            snapshot: state.snapshot)
        file.gate = binding.gate?.id
        file.gateName = binding.gate?.name
        file.zone = state.zone
        file.snapshotExpiresS = state.snapshotExpiresS
        if case .none(let reason) = binding.choice { file.problem = reason.description }
        if settings.hasTurnstile { file.turnstile = state.turnstileProblem?.description ?? "ok" }
        file.mode = settings.isInspection ? "inspection" : state.mode.rawValue
        file.readers = state.readers.map { reader in
            GateState.Reader(name: reader.name, direction: reader.direction, problem: reader.problem?.description)
        }
        file.diskUsedPercent = device.diskUsedPercent
        file.alarms = state.alarms.map(\.description)
        file.alarmKeywords = state.alarms.map(\.keyword)
        file.droppedReads = dropped.count
        file.lastDroppedRead = dropped.last?.description
        return file
    }
}
