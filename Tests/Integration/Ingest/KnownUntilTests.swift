import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

@testable import Ingest

/// Tests up to which time all taps of a scanner are here, by what it sends.
@Suite struct KnownUntilTests {
    let fixture: IngestFixture
    let store: IngestStore
    let journal = MadeJournal.admissions(count: 10)

    init() throws {
        fixture = try IngestFixture()
        store = try fixture.store()
    }

    /// Stores a batch `receivedS` after the begin of the day, and returns the known seconds since then.
    private func known(_ batch: ScanBatch, receivedS: Int64) throws -> String {
        _ = try store.store([batch.delivery(receivedMicros: IngestFixture.day + receivedS * 1_000_000)])
        return try known(batch.journalID)
    }

    private func known(_ id: JournalID) throws -> String {
        try fixture.texts(
            """
            SELECT CASE WHEN isfinite(known_until) THEN
                (extract(epoch FROM known_until) - \(IngestFixture.day / 1_000_000))::integer::text ELSE 'never' END
            FROM tapline.journals WHERE log = '\(id)'
            """)[0]
    }

    private func heartbeat(sentS: Int64, backlog: Int64, state: [String: ScanBatch.StateValue] = [:]) -> ScanBatch {
        ScanBatch(
            heartbeatOf: ScannerID("s-1")!, journalID: journal.journalID, next: 11, gate: 1, snapshot: 7,
            sentMicros: IngestFixture.day + sentS * 1_000_000, backlog: backlog, state: state)
    }

    @Test func batchThatWaitedTellsOfTheTimeOfItsPublish() throws {
        let batch = journal.batch(1, 10, sentMicros: IngestFixture.day + 11_000_000)
        #expect(try known(batch, receivedS: 3_600) == "11")
        #expect(try known(heartbeat(sentS: 26, backlog: 0), receivedS: 3_601) == "26")
        // A clock that is ahead: nothing is known of times after the receipt.
        #expect(try known(heartbeat(sentS: 9_000, backlog: 0), receivedS: 3_602) == "3602")
        // A replay is older.
        #expect(try known(heartbeat(sentS: 26, backlog: 0), receivedS: 3_601) == "3602")
    }

    @Test func backlogEndsTheKnownTimeAtTheLastScan() throws {
        #expect(try known(journal.batch(1, 4, sentMicros: IngestFixture.day + 60_000_000), receivedS: 61) == "4")
        #expect(try known(heartbeat(sentS: 70, backlog: 6), receivedS: 71) == "4")
        #expect(try known(journal.batch(5, 5, sentMicros: IngestFixture.day + 80_000_000), receivedS: 81) == "9")
        #expect(try known(journal.batch(10, 1, sentMicros: IngestFixture.day + 90_000_000), receivedS: 91) == "90")
    }

    @Test func clockThatIsNotTrustedCountsByTheReceipt() throws {
        var doubted = journal
        doubted.scans = doubted.scans.map { scan in
            var scan = scan
            scan.flags = [.clockNotTrusted]
            return scan
        }
        #expect(try known(doubted.batch(1, 4), receivedS: 61) == "never")
        let state: [String: ScanBatch.StateValue] = ["alarms": .text("disk clock")]
        #expect(try known(heartbeat(sentS: -9_000, backlog: 6, state: state), receivedS: 71) == "never")
        #expect(try known(heartbeat(sentS: -9_000, backlog: 0, state: state), receivedS: 72) == "72")
        // A batch without a state leaves the alarm as it is.
        #expect(try known(heartbeat(sentS: -8_000, backlog: 0), receivedS: 80) == "80")
    }

    @Test func journalThatIsOnlyAnnouncedIsNotKnown() throws {
        var next = MadeJournal.admissions(count: 3)
        next.after = ScanBatch.After(journalID: journal.journalID, lastSeq: 10)
        #expect(try known(next.batch(1, 3), receivedS: 61) == "0")
        #expect(try known(journal.journalID) == "never")
    }

    @Test func queuedScansHaveTheTimeOfTheEarliest() throws {
        _ = try known(journal.batch(3, 4), receivedS: 61)
        #expect(
            try fixture.texts("SELECT extract(epoch FROM earliest)::bigint::text FROM tapline_internal.tracking_queue")
                == ["\(IngestFixture.day / 1_000_000 + 3)"])
    }
}
