import AccessControl
import Runtime
import ScanJournal
import ScanModel
import Snapshots

/// The lane's journal besides appending: what it does for it in idle moments, and how it stands.
extension Lane {
    /// Opens the journal, or the one after a damaged one. Throws what `Journal.init` throws.
    func openJournal() throws -> Journal {
        let journal = try Journal(
            folder: settings.folder, scanner: settings.scanner, monotonicMs: time.monotonicMs)
        journalSinceMs = time.monotonicMs()
        journal.keepDays = settings.keepDays
        return journal
    }

    /// One bounded piece of the work that can wait; true: there is more.
    func tidyJournal() -> Bool {
        guard let journal else { return false }
        do {
            journal.keepFromMs = keepFromMs()
            let hasMore = try journal.performMaintenance()
            if !hasMore { journalProblem = journal.health.problem }
            return hasMore
        } catch {
            journalProblem = "the journal cannot be tidied: \(error)"
            log.error("journal cannot be tidied", [.error: "\(error)"])
            return false
        }
    }

    /// The start of the event day before the present one: what is younger is kept, shipped or not. So is all that the lane
    /// remembers, for a clock that is far ahead must not take it away.
    private func keepFromMs() -> Int64 {
        let nowS = time.nowMs() / 1_000
        let begun = snapshot?.days.filter { $0.starts <= nowS }.suffix(2).first
        return min(begun.map { $0.starts * 1_000 } ?? .max, memory.beginsMs ?? .max)
    }

    /// What earlier journals of this scanner hold, for the backlog. To be called while the journal is open, and before it is
    /// closed: see `JournalReader`.
    func countEarlier() {
        do {
            for record in try JournalReader(folder: settings.folder).journals()
            where record.scanner == settings.scanner && record.journalID != journal?.id && record.lastSeq > 0 {
                earlier[record.journalID] = record.lastSeq
            }
        } catch { log.warning("earlier journals cannot be counted", [.error: "\(error)"]) }
    }
}
