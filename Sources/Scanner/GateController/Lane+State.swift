import AccessControl
import DataFolder
import Glibc
import Runtime
import ScanJournal
import ScanModel
import SnapshotInstall
import Snapshots

/// How the lane is, for the people beside it and for the fleet view.
extension Lane {
    func state() -> LaneState {
        var state = LaneState()
        state.scanner = settings.scanner.text
        (state.gate, state.zone) = (choice.gate?.name, zoneName(.in))
        (state.mode, state.isInspection) = (orders.mode, settings.isInspection)
        state.readers = zip(settings.readers, readerProblems).map { reader, problem in
            LaneState.Reader(name: reader.name, direction: reader.direction, problem: problem)
        }
        state.turnstileProblem = turnstileProblem
        state.snapshot = snapshot?.version ?? 0
        (state.snapshotCreatedS, state.snapshotExpiresS) = (snapshot?.createdS, snapshot?.expiresS)
        state.backlog = backlog()
        state.alarms = alarms()
        return state
    }

    /// Scans of this scanner that nobody has confirmed yet.
    private func backlog() -> Int64? {
        guard let journal else { return nil }
        let before = earlier.reduce(0) { $0 + max(0, $1.value - facts.shipped[$1.key, default: 0]) }
        return before + max(0, journal.lastSeq - facts.shipped[journal.id, default: 0])
    }

    /// The worst first.
    private func alarms() -> [String] {
        var alarms: [String] = []
        if !isLogging { alarms.append("taps cannot be logged") }
        if snapshot == nil { alarms.append("no snapshot") } else if choice.gate == nil { alarms.append("no gate") }
        if !isSnapshotReadable { alarms.append("snapshot cannot be read") }
        if snapshot != nil, watch.isOlderThanCurrent { alarms.append("an older snapshot serves") }
        if let snapshot, isClockTrusted, time.nowMs() / 1_000 >= snapshot.expiresS {
            alarms.append("snapshot expired")
        }
        if let percent = facts.diskUsedPercent, percent >= Settings.diskAlarmPercent {
            alarms.append("disk \(percent) % full")
        }
        if !isClockTrusted { alarms.append("clock not trusted") }
        if sensorProblem != nil { alarms.append("passage sensor out of order") }
        if !facts.damaged.isEmpty { alarms.append("\(facts.damaged.count) damaged journals set aside: recover them") }
        return alarms + [ordersProblem, deskProblem, journalProblem].compactMap(\.self)
    }

    func file(_ state: LaneState) -> GateState {
        let readers = state.readers.map { reader in reader.name + (reader.problem.map { " (\($0))" } ?? "") }
        var file = GateState(
            pid: getpid(), scanner: settings.scanner.text, journal: journal?.id.description ?? "",
            reader: readers.joined(separator: ", "), software: Software.version, startedS: startedS,
            snapshot: state.snapshot)
        (file.gate, file.gateName, file.zone) = (choice.gate?.id, choice.gate?.name, state.zone)
        file.snapshotExpiresS = state.snapshotExpiresS
        if case .none(let reason) = choice { file.problem = reason }
        if settings.hasTurnstile { file.turnstile = state.turnstileProblem ?? "ok" }
        file.mode = settings.isInspection ? "inspection" : state.mode.rawValue
        (file.readers, file.diskUsedPercent, file.alarms) = (state.readers, facts.diskUsedPercent, state.alarms)
        return file
    }
}
