import AccessControl
import Runtime
import ScanJournal
import ScanModel
import Snapshots

/// Somebody who was let in and must now pass the turnstile.
struct PendingPassage {
    var log: JournalID
    /// Of the admission; tag 0 for one by hand without a band.
    var scan: Scan
    /// Monotonic.
    var untilMs: Int64
}

/// Readers, turnstile and passage sensor: what happens at the lane besides taps.
extension Lane {
    /// Most people waited for at once; the turnstile lets one through at a time.
    private static let dueLimit = 64
    /// How much longer than 24 hours a journal may last for those who are due to pass.
    private static let journalGraceMs: Int64 = 10 * 60_000

    func readerLost(_ index: Int, _ reason: String) {
        guard readerProblems.indices.contains(index) else { return }
        let isNews = readerProblems[index] == nil
        readerProblems[index] = reason
        if isNews { logEvent(.readerLost) }
        log.error("reader out of order", [.reader: settings.readers[index].name, .reason: reason])
        look()
    }

    func readerBack(_ index: Int) {
        guard readerProblems.indices.contains(index), readerProblems[index] != nil else { return }
        readerProblems[index] = nil
        logEvent(.readerBack)
        log.info("reader works again", [.reader: settings.readers[index].name])
        look()
    }

    func turnstile(_ problem: String?) {
        guard problem != turnstileProblem else { return }
        turnstileProblem = problem
        if let problem {
            log.error("turnstile out of order", [.reason: problem])
        } else {
            log.info("turnstile works again")
        }
        look()
    }

    func sensor(_ problem: String?) {
        guard problem != sensorProblem else { return }
        sensorProblem = problem
        if let problem {
            due.removeAll()
            log.error("passage sensor out of order: nobody is annulled", [.reason: problem])
        } else {
            log.info("passage sensor works again")
        }
        look()
    }

    /// A lane event: tag 0, the gate and the snapshot in force. One that cannot be logged is told, and that is all.
    @discardableResult
    func logEvent(_ verdict: Verdict, flags: Flags = [], reason: String? = nil) -> (JournalID, Scan)? {
        wake()
        let atMs = time.nowMs()
        var flags = flags
        if !clock.isTrusted(atMs: atMs, isSynchronised: time.isSynchronised) { flags.insert(.clockNotTrusted) }
        let entry = Journal.Entry(
            atMs: atMs, tag: .none, verdict: verdict, flags: flags, gate: choice.gate?.id,
            snapshot: snapshot?.version ?? 0)
        do { return try append(entry, reason: reason) } catch {
            isLogging = false
            log.error("lane event could not be logged", [.code: verdict.rawValue, .error: "\(error)"])
            return nil
        }
    }

    /// Waits for the person to pass, where there is a sensor that would see it.
    func expectPassage(_ log: JournalID, _ scan: Scan) {
        guard let passageMs = settings.passageMs, sensorProblem == nil else { return }
        if due.count == Lane.dueLimit { due.removeFirst() }
        due.append(PendingPassage(log: log, scan: scan, untilMs: time.monotonicMs() + passageMs))
    }

    /// - Parameter atMs: when that was, by the clock that never steps; the lane may hear of it later.
    func somebodyPassed(atMs: Int64) {
        // Too late is too late: who was annulled a moment ago is counted as a passage without a tap.
        annulOverdue(atMs)
        if due.isEmpty { logEvent(.passageWithoutTap) } else { due.removeFirst() }
    }

    /// - Parameter atMs: of the clock that never steps. All passages up to then were told.
    func annulOverdue(_ atMs: Int64) {
        while let first = due.first, first.untilMs <= atMs {
            due.removeFirst()
            annul(first)
        }
    }

    /// Somebody who is due to pass and is admitted once more has not passed. Annulled before the new admission is logged, since
    /// an annulment means the tag's last admission before it. False: nobody with this tag is due.
    @discardableResult
    func annulEarlier(_ tag: TagID) -> Bool {
        guard let index = due.firstIndex(where: { $0.scan.tag == tag && $0.scan.tag != .none }) else { return false }
        annul(due.remove(at: index))
        return true
    }

    /// Whether the journal, due for its successor, waits until those who are due have passed: their annulment belongs into it.
    /// Not for ever, as a crowd may have somebody due at every moment.
    var keepsJournal: Bool {
        guard let id = journal?.id, due.contains(where: { $0.log == id }) else { return false }
        return time.monotonicMs() - journalSinceMs < Journal.ageLimitMs + Lane.journalGraceMs
    }

    /// "The person admitted by the previous scan of this tag in this journal did not pass": so no row in another journal can
    /// say it, where the old one was damaged perhaps; but the lane forgets the admission, and the person may tap again.
    private func annul(_ passage: PendingPassage) {
        guard passage.scan.tag != .none else { return }
        let entry = Journal.Entry(
            atMs: max(time.nowMs(), passage.scan.atMs), tag: passage.scan.tag,
            verdict: .annulled, flags: passage.scan.flags.intersection(.out), gate: passage.scan.gate,
            snapshot: snapshot?.version ?? 0)
        guard passage.log == journal?.id else {
            var scan = passage.scan
            scan.verdict = .annulled
            note(passage.log, scan, nil, nil)
            return log.warning("annulled, but the journal of the admission has ended", [.journal: passage.log])
        }
        do {
            let (id, scan) = try append(entry, continues: true)
            note(id, scan, nil, nil)
            let direction: Direction = scan.flags.contains(.out) ? .out : .in
            show(TapResult(log: id, scan: scan, zone: zoneName(direction), pass: nil))
        } catch {
            isLogging = false
            log.error("annulment could not be logged", [.error: "\(error)"])
        }
    }
}
