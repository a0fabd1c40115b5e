import AccessControl
import Runtime
import ScanModel
import Snapshots

/// Executes operator commands that the control socket received.
final class OperatorCommands {
    private let settings: Lane.Settings
    private let store: CommandStore
    private let clock: LaneClock
    private let journal: LaneJournal
    private let memory: TapMemory
    private let binding: SnapshotBinding
    private let pending: PendingPassages
    private let taps: TapHandler
    private let output: VerdictOutput
    private let monitor: LaneMonitor
    private let log: Log

    init(
        settings: Lane.Settings, store: CommandStore, clock: LaneClock, journal: LaneJournal, memory: TapMemory,
        binding: SnapshotBinding, pending: PendingPassages, taps: TapHandler, output: VerdictOutput,
        monitor: LaneMonitor, log: Log
    ) {
        self.settings = settings
        self.store = store
        self.clock = clock
        self.journal = journal
        self.memory = memory
        self.binding = binding
        self.pending = pending
        self.taps = taps
        self.output = output
        self.monitor = monitor
        self.log = log
    }

    /// Continues with the mode of the last run.
    func resumeMode() {
        if store.isModeUnjournaled { journal.appendEvent(store.mode.verdict, in: binding.rowContext) }
        if store.mode != .normal { log.warning("lane mode is not normal", [.state: store.mode.rawValue]) }
    }

    func execute(_ command: LaneCommand) -> CommandResult {
        switch command {
        case .admit(let tag?, let reason): admit(tag, reason)
        case .admit(nil, let reason): admitWithoutBand(reason)
        case .mode(let mode, let reason): set(mode, reason)
        case .assign(let gate): assign(gate)
        }
    }

    // MARK: Admit

    private func admit(_ named: ManualTag, _ reason: String) -> CommandResult {
        let choice: ManualTagChoice
        do {
            choice = try ManualTagChoice(
                named, tagID: { binding.tagID(of: $0) }, knows: { binding.attendee($0) != nil })
        } catch { return .rejected(error.description) }
        let tag = choice.tag
        let atMs = clock.nowMs
        clock.check(nowMs: atMs)
        // The proof does not matter, because the operator decides.
        var outcome = taps.decide(tag, Tap(.uid([]), proof: .code, direction: .in), atMs: atMs)
        let list = listText(outcome, atMs: atMs)
        outcome.decision = Decision(
            verdict: .admitted, flags: outcome.decision.flags.union(.operatorOverride).subtracting(.reuse))
        let entry = taps.entry(tag, outcome.decision, atMs: atMs)
        taps.annulPending(tag)
        do {
            let row = try journal.append(entry, reason: reason)
            log.warning(
                "manual admission", [.reason: reason, .detail: list, .journal: row.journalID, .seq: row.scan.seq])
            taps.complete(row, outcome, proof: nil, detail: .manualAdmission, opens: !settings.isInspection)
            return .done("admitted, \(list), journal \(row.journalID), seq \(row.scan.seq)")
        } catch {
            taps.reportNotJournaled(tag, error)
            return .rejected("the admission could not be journaled: \(error)")
        }
    }

    /// What the list says of a tag that is admitted manually.
    private func listText(_ outcome: TapHandler.Outcome, atMs: Int64) -> String {
        guard binding.snapshot != nil, binding.isReadable else { return "the list cannot be read" }
        switch outcome.attendee?.status {
        case nil: return "unknown to the list"
        case .blocked: return "blocked in the list"
        case .lost: return "lost or replaced in the list"
        case .void: return "void in the list"
        case .active: break
        }
        var text = "in the list" + (outcome.pass?.name.map { " with pass \($0)" } ?? "")
        switch outcome.decision.verdict {
        case .noAccess where !outcome.decision.flags.contains(.operatorOverride): text += " without access here"
        case .outsideTime: text += " for another time"
        case .alreadyInside:
            let earlier = EarlierAdmission(outcome.presence, tapMs: atMs, gateName: binding.gateName)
            text += ", already inside" + (earlier.map { " \($0.text)" } ?? "")
        default: break
        }
        return text
    }

    private func admitWithoutBand(_ reason: String) -> CommandResult {
        let flags: Flags = settings.isInspection ? [.operatorOverride, .inspection] : .operatorOverride
        guard
            let row = journal.appendEvent(.admittedManually, flags: flags, in: binding.rowContext, reason: reason)
        else {
            output.notify(.failed(.manualAdmissionNotJournaled))
            return .rejected("the admission could not be journaled")
        }
        log.warning(
            "manual admission without a wristband",
            [.reason: reason, .journal: row.journalID, .seq: row.scan.seq])
        let opens = !settings.isInspection
        output.notify(
            .verdict(
                TapResult(row, zone: binding.zoneName(.in), pass: nil, detail: .manualAdmission, opens: opens)))
        if opens { pending.expect(row) }
        return .done("admitted, journal \(row.journalID), seq \(row.scan.seq)")
    }

    // MARK: Mode

    /// Applies the mode immediately.
    ///
    /// If it cannot be saved or journaled, it still takes effect, and the result reports the failure. A full disk must
    /// not keep a gate closed during a crowd surge.
    private func set(_ mode: LaneMode, _ reason: String?) -> CommandResult {
        guard mode != store.mode else { return .done("mode \(mode.rawValue) already") }
        store.set(mode)
        memory.rulesChanged()
        // The turnstile first, then the disk.
        monitor.publish()
        var texts = ["mode \(mode.rawValue)"]
        if let alarm = store.save() { texts.append(alarm.description) }
        if journal.appendEvent(mode.verdict, in: binding.rowContext, reason: reason) == nil {
            texts.append("the mode could not be journaled")
        }
        log.warning("mode changed", [.state: mode.rawValue, .reason: reason ?? "-"])
        monitor.publish()
        return .done(texts.joined(separator: "; "))
    }

    // MARK: Assign

    private func assign(_ gate: String?) -> CommandResult {
        if let gate, let snapshot = binding.snapshot, !snapshot.gates.values.contains(where: { $0.name == gate }) {
            return .rejected("the snapshot has no gate named \(gate)")
        }
        store.assign(gate)
        let alarm = store.save()
        binding.chooseGate()
        log.warning("gate assigned", [.gate: gate ?? "default"])
        monitor.publish()
        let text = binding.gate.map { "the gate is now \($0.name)" } ?? "assigned, but there is no gate yet"
        return .done([text, alarm?.description].compactMap(\.self).joined(separator: "; "))
    }
}
