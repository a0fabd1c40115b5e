import AccessControl
import DataFolder
import Runtime
import ScanJournal
import ScanModel
import Snapshots

/// Handles taps, in this order: debounce, look up, decide, append to the journal, show.
///
/// The journal comes before the turnstile: a verdict is shown only when its row is on the disk.
final class TapHandler {
    private let settings: Lane.Settings
    private let clock: LaneClock
    private let journal: LaneJournal
    private let memory: TapMemory
    private let binding: SnapshotBinding
    private let pending: PendingPassages
    private let commands: CommandStore
    private let output: VerdictOutput
    private let log: Log
    /// Number of taps that could not be journaled.
    private(set) var notJournaled = 0

    init(
        settings: Lane.Settings, clock: LaneClock, journal: LaneJournal, memory: TapMemory, binding: SnapshotBinding,
        pending: PendingPassages, commands: CommandStore, output: VerdictOutput, log: Log
    ) {
        self.settings = settings
        self.clock = clock
        self.journal = journal
        self.memory = memory
        self.binding = binding
        self.pending = pending
        self.commands = commands
        self.output = output
        self.log = log
    }

    // MARK: Tap

    /// Handles one tap.
    ///
    /// - Parameters:
    ///   - index: the reader, in the order of `Lane.Settings.readers`.
    ///   - arrival: the arrival of the tap; `nil` for a line of standard input, which arrives now.
    /// - Returns: the verdict that is shown; `nil` if the tap could not be journaled.
    @discardableResult
    func handle(_ tap: Tap, reader index: Int, arrival: TimestampedEvent? = nil) -> Verdict? {
        let tag = binding.tagID(of: tap.identity)
        let nowMs = clock.nowMs
        let atMs = tap.atMs ?? arrival?.atMs ?? nowMs
        let last = memory.repeatedVerdict(tag, tap, atMs: atMs, windowMs: debounceMs(index))
        if let last, !last.isUnderFormerRules { return showRepeat(last.tap, tap) }
        if tap.atMs == nil { clock.check(nowMs: nowMs) } else { clock.trustGivenTime() }
        if let last, isStillDecided(last.tap, tap, atMs: atMs) { return showRepeat(last.tap, tap) }
        let isReplayed = isReplayed(tag, tap.counter)
        var outcome = decide(tag, tap, atMs: atMs, isReplayed: isReplayed)
        // An admission without a passage does not count as being inside: annul it and decide again.
        if outcome.decision.verdict == .admitted, annulPending(tag) {
            outcome = decide(tag, tap, atMs: atMs, isReplayed: isReplayed)
        }
        let opens = outcome.decision.verdict == .admitted && tap.atMs == nil && !settings.isInspection
        do {
            let row = try journal.append(
                entry(tag, outcome.decision, atMs: atMs), counter: isReplayed ? nil : tap.counter)
            if tap.atMs == nil, clock.isTrusted { clock.noteScan(atMs: row.scan.atMs) }
            let detail = TapDetail(proof: tap.proof, scan: row.scan)
            complete(
                row, outcome, proof: tap.proof, detail: detail, opens: opens, arrivedMs: arrival?.monotonicMs)
            return row.scan.verdict
        } catch {
            reportNotJournaled(tag, error, opens: opens && tap.direction == .out)
            return nil
        }
    }

    /// A decision, and what it is based on.
    struct Outcome {
        var decision: Decision
        var attendee: Attendee?
        var pass: Pass?
        /// What the lane knew of the person before the tap.
        var presence = PriorPresence()
    }

    /// Whether the present snapshot and mode lead to the verdict that was journaled under former ones.
    ///
    /// The lane's memory does not count: it knows the person as inside because of that very tap.
    private func isStillDecided(_ last: Debounce.JournaledTap, _ tap: Tap, atMs: Int64) -> Bool {
        // An operator's admission is above the rules.
        guard let proof = last.proof else { return true }
        var isReplayed = false
        if case .authentic = proof { isReplayed = last.scan.verdict == .notAuthentic }
        let outcome = decide(last.scan.tag, tap, atMs: atMs, isReplayed: isReplayed, remembers: false)
        let verdict: Verdict = last.scan.verdict == .alreadyInside ? .admitted : last.scan.verdict
        return outcome.decision.verdict == verdict
    }

    /// Looks up the tag and applies the rules of the gate.
    ///
    /// - Parameter remembers: whether the lane's memory of the person counts.
    func decide(
        _ tag: TagID, _ tap: Tap, atMs: Int64, isReplayed: Bool = false, remembers: Bool = true
    ) -> Outcome {
        let (attendee, validity) = binding.lookUp(tag)
        let pass = binding.pass(of: attendee)
        var presence = PriorPresence()
        if remembers, tap.direction == .in, let gate = binding.gate {
            presence = memory.presence(
                of: tag, attendee, at: gate, atMs: atMs, clock, snapshot: binding.snapshot)
        }
        let input = DecisionInput(
            direction: tap.direction, atMs: atMs, clockIsTrusted: clock.isTrusted, proof: tap.proof,
            isReplayed: isReplayed, mode: commands.mode, isInspection: settings.isInspection, gate: binding.gate,
            snapshot: validity, attendee: attendee, pass: pass, zones: binding.snapshot?.zoneTree ?? ZoneTree(),
            memory: presence)
        return Outcome(decision: Decision(input), attendee: attendee, pass: pass, presence: presence)
    }

    /// Builds the row of a decision.
    func entry(_ tag: TagID, _ decision: Decision, atMs: Int64) -> Journal.Entry {
        let context = binding.rowContext
        return Journal.Entry(
            atMs: atMs, tag: tag, verdict: decision.verdict, flags: decision.flags, gate: context.gate,
            snapshot: context.snapshot)
    }

    /// Notes and shows a verdict that is in the journal.
    ///
    /// - Parameters:
    ///   - proof: `nil` for a manual admission.
    ///   - opens: whether the verdict opens the turnstile.
    ///   - arrivedMs: arrival of the tap by the monotonic clock; `nil` for now.
    func complete(
        _ row: JournaledScan, _ outcome: Outcome, proof: Tap.Proof?, detail: TapDetail?, opens: Bool,
        arrivedMs: Int64? = nil
    ) {
        memory.note(
            row, outcome.attendee, proof: proof, earlier: outcome.presence, in: binding, monotonicMs: clock.monotonicMs)
        let direction: Direction = row.scan.flags.contains(.out) ? .out : .in
        if opens { pending.expect(row) }
        output.show(
            TapResult(
                row, zone: binding.zoneName(direction), pass: outcome.pass, detail: detail,
                earlier: EarlierAdmission(of: row.scan, outcome.presence, gateName: binding.gateName), opens: opens,
                arrivedMs: arrivedMs))
    }

    /// Shows the verdict of the first tap again. It is in the journal already, and opens nothing.
    private func showRepeat(_ last: Debounce.JournaledTap, _ tap: Tap) -> Verdict {
        output.show(
            TapResult(
                JournaledScan(journalID: last.journalID, scan: last.scan), zone: binding.zoneName(tap.direction),
                pass: binding.pass(of: binding.attendee(last.scan.tag)),
                detail: TapDetail(proof: tap.proof, scan: last.scan),
                earlier: EarlierAdmission(of: last.scan, last.presence, gateName: binding.gateName), isRepeat: true))
        return last.scan.verdict
    }

    /// Reports a tap that could not be journaled.
    ///
    /// - Parameter opens: `true` for an exit: it is never rejected, because a full disk must not lock anyone in.
    func reportNotJournaled(_ tag: TagID, _ error: any Error, opens: Bool = false) {
        notJournaled += 1
        if opens {
            log.error("exit not journaled, opened by policy", [.error: "\(error)", .tag: tag.rawValue])
        } else {
            log.error("tap not journaled, rejected", [.error: "\(error)", .tag: tag.rawValue])
        }
        output.showFailure(.notJournaled(StorageFault(error)), opens: opens)
    }

    /// Debounce window in milliseconds: of the gate's policy, otherwise 2,000 for a reader and 0 for standard input,
    /// where each line is a tap.
    private func debounceMs(_ index: Int) -> Int {
        binding.gate?.policy.debounceMs ?? (index == settings.stdin ? 0 : Lane.Settings.defaultDebounceMs)
    }

    /// Whether the message is not newer than the last one of its tag: then it is a recorded message.
    private func isReplayed(_ tag: TagID, _ counter: Int64?) -> Bool {
        guard let counter else { return false }
        do { return try journal.counter(of: tag).map { counter <= $0 } ?? false } catch {
            log.error("read counter cannot be read", [.error: "\(error)"])
            return false
        }
    }

    // MARK: Passage

    /// Handles a passage that the sensor detected.
    ///
    /// - Parameter atMs: time of the passage by the monotonic clock. The lane may handle it later.
    func handlePassage(atMs: Int64) {
        // Annul overdue admissions first. A passage that arrives after its admission was annulled is journaled as a
        // passage without a tap.
        annulOverdue(atMs: atMs)
        if pending.removeFirst() == nil { journal.appendEvent(.passageWithoutTap, in: binding.rowContext) }
    }

    /// Annuls the admissions whose deadline has been reached.
    ///
    /// - Parameter atMs: monotonic clock. All earlier passages have been handled.
    func annulOverdue(atMs: Int64) {
        while let passage = pending.removeOverdue(atMs: atMs) { annul(passage) }
    }

    /// Annuls the pending admission of a tag that is admitted again.
    ///
    /// Called before the new admission is journaled, because an annulment refers to the last admission of its tag.
    /// - Returns: `false` if the tag has no pending admission.
    @discardableResult
    func annulPending(_ tag: TagID) -> Bool {
        guard let passage = pending.remove(tag) else { return false }
        annul(passage)
        return true
    }

    /// Journals that the person of the tag's last admission in this journal did not pass.
    ///
    /// If that journal has ended, the annulment cannot be journaled. The lane still forgets the admission, so the
    /// person may tap again.
    private func annul(_ passage: PendingPassages.Passage) {
        let admission = passage.admission
        guard admission.scan.tag != .none else { return }
        guard admission.journalID == journal.id else {
            var scan = admission.scan
            scan.verdict = .annulled
            memory.note(
                JournaledScan(journalID: admission.journalID, scan: scan), nil, proof: nil, in: binding,
                monotonicMs: clock.monotonicMs)
            return log.warning("annulled, but the journal of the admission has ended", [.journal: admission.journalID])
        }
        let direction: Direction = admission.scan.flags.contains(.out) ? .out : .in
        let entry = Journal.Entry(
            atMs: max(clock.nowMs, admission.scan.atMs), tag: admission.scan.tag, verdict: .annulled,
            flags: admission.scan.flags.intersection(.out), gate: admission.scan.gate,
            snapshot: binding.rowContext.snapshot)
        do {
            let row = try journal.append(entry, continuesJournal: true)
            memory.note(row, nil, proof: nil, in: binding, monotonicMs: clock.monotonicMs)
            output.show(TapResult(row, zone: binding.zoneName(direction), pass: nil))
        } catch { log.error("annulment not journaled", [.error: "\(error)"]) }
    }
}

extension Tap {
    /// The read counter of a verified message.
    fileprivate var counter: Int64? {
        guard case .authentic(let counter) = proof else { return nil }
        return counter
    }
}
