import AccessControl
import DataFolder
import Runtime
import ScanJournal
import ScanModel
import Snapshots

/// The way of a tap: repeat? -> look up -> decide -> log -> tell.
extension Lane {
    /// - Parameter arrival: when the tap reached the lane, for one from a reader.
    func handle(_ tap: Tap, reader index: Int, _ arrival: TimestampedEvent? = nil) {
        wake()
        let tag = settings.key.tagID(of: tap.identity)
        let nowMs = time.nowMs()
        let atMs = tap.atMs ?? arrival?.atMs ?? nowMs
        if let last = debounce.answer(
            tag, tap.direction, tap.proof, atMs: atMs, windowMs: debounceMs(index))
        {
            return showAgain(last, tap)
        }
        // A time that comes with the tap is as good as who gives it.
        if tap.atMs == nil { trustClock(nowMs: nowMs) } else { isClockTrusted = true }
        let counter = counter(of: tap)
        let isReplayed = isReplayed(tag, counter)
        var found = decide(tag, tap, atMs, isReplayed: isReplayed)
        // Who has not passed was not inside.
        if found.decision.verdict == .admitted, annulEarlier(tag) {
            found = decide(tag, tap, atMs, isReplayed: isReplayed)
        }
        let entry = Journal.Entry(
            atMs: atMs, tag: tag, verdict: found.decision.verdict, flags: found.decision.flags, gate: choice.gate?.id,
            snapshot: snapshot?.version ?? 0)
        let isAdmitted = entry.verdict == .admitted
        let opens = isAdmitted && tap.atMs == nil && !settings.isInspection
        do {
            let (id, scan) = try append(entry, counter: found.isReplayed ? nil : counter)
            if tap.atMs == nil, isClockTrusted { clock.lastScanMs = max(clock.lastScanMs ?? 0, scan.atMs) }
            note(id, scan, found.attendee, tap.proof)
            let signal = TapResult(
                log: id, scan: scan, zone: zoneName(tap.direction), pass: found.pass,
                detail: detail(tap.proof, scan), opens: opens, arrivedMs: arrival?.monotonicMs)
            if signal.opens { expectPassage(id, scan) }
            show(signal)
        } catch { tellUnlogged(tag, error, opens: opens && tap.direction == .out) }
    }

    /// Whether the device clock can be true now.
    func trustClock(nowMs: Int64) {
        isClockTrusted = clock.isTrusted(atMs: nowMs, isSynchronised: time.isSynchronised)
    }

    /// Gives a verdict to those who show it and move the turnstile, and only then prints it: who reads it may be slow.
    func show(_ signal: TapResult) {
        notify(.answer(signal))
        print(
            VerdictLine(log: signal.log, scan: signal.scan, zone: signal.zone, pass: signal.pass).text(
                settings.format))
    }

    /// The same tap again: the same answer, which is in the journal already, and moves nothing.
    private func showAgain(_ last: Debounce.Answer, _ tap: Tap) {
        let attendee = (try? snapshot?.attendee(last.scan.tag)) ?? nil
        show(
            TapResult(
                log: last.journalID, scan: last.scan, zone: zoneName(tap.direction),
                pass: attendee.flatMap { snapshot?.passes[$0.pass] }, detail: detail(tap.proof, last.scan),
                isRepeat: true))
    }

    /// - Parameter opens: a way out: it is never refused, and nobody is kept in because a disk is full.
    func tellUnlogged(_ tag: TagID, _ error: any Error, opens: Bool = false) {
        unlogged += 1
        isLogging = false
        if opens {
            log.error("way out could not be logged: opened", [.error: "\(error)", .tag: tag.rawValue])
        } else {
            log.error("tap could not be logged: refused", [.error: "\(error)", .tag: tag.rawValue])
        }
        // People at the lane look at one place; a program gets only what is in the journal.
        notify(.failed(reason: "\(error)", opens: opens))
        let word = opens ? "OPENED" : "REFUSED"
        if settings.format == .text { print("\(word): the tap could not be logged (\(error))") }
    }

    /// Milliseconds: what the gate's policy says, else 2,000 for a reader and 0 for standard input, where a line is a tap.
    private func debounceMs(_ index: Int) -> Int {
        choice.gate?.policy.debounceMs ?? (index == settings.stdin ? 0 : Settings.defaultDebounceMs)
    }

    /// Logs a scan.
    func append(
        _ entry: Journal.Entry, counter: Int64? = nil, reason: String? = nil, continues: Bool = false
    ) throws -> (JournalID, Scan) {
        try withJournal { journal in
            let before = (journal.id, journal.lastSeq)
            let scan = try journal.append(
                entry, counter: counter, reason: reason, continues: continues || keepsJournal)
            if journal.id != before.0 { (earlier[before.0], journalSinceMs) = (before.1, time.monotonicMs()) }
            isLogging = true
            return (journal.id, scan)
        }
    }

    /// Works with the journal. One that turns out to be damaged is opened anew, which sets it aside where needed, and it is
    /// tried once more.
    private func withJournal<Result>(_ body: (Journal) throws -> Result) throws -> Result {
        func attempt() throws -> Result {
            if let journal { return try body(journal) }
            let journal = try openJournal()
            self.journal = journal
            countEarlier()
            return try body(journal)
        }
        do { return try attempt() } catch let error as DataFileError where error.isDamaged {
            log.error("journal is damaged", [.error: error])
            // What a file that is set aside held is no longer waiting here.
            (journal, earlier) = (nil, [:])
            return try attempt()
        }
    }

    func print(_ line: String) {
        do { try tell(line) } catch { log.error("verdict could not be printed", [.error: "\(error)"]) }
    }

    private func counter(of tap: Tap) -> Int64? {
        guard case .authentic(let counter) = tap.proof else { return nil }
        return counter
    }

    /// A message that was read before, or an older one: somebody kept it.
    private func isReplayed(_ tag: TagID, _ counter: Int64?) -> Bool {
        guard let counter else { return false }
        do { return try withJournal { try $0.counter(of: tag).map { counter <= $0 } ?? false } } catch {
            log.error("read counters cannot be read", [.error: "\(error)"])
            return false
        }
    }

    /// More than the verdict says, for the crew.
    private func detail(_ proof: Tap.Proof, _ scan: Scan) -> String? {
        if scan.verdict == .notAuthentic {
            switch proof {
            case .randomUID: return "random UID"
            case .forged: return "message does not verify"
            case .authentic: return "message was used before"
            case .uid: return "UID alone is not enough here"
            case .code: return nil
            }
        }
        guard scan.flags.contains(.operatorOverride) else { return nil }
        return scan.verdict == .admitted ? "lane open" : "lane closed"
    }
}
