import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

@testable import Ingest

/// Tests that one scanner cannot cost all others.
struct ScannerLimitTests {
    private func limits(_ set: (inout ScannerLimits) -> Void) -> ScannerLimits {
        var limits = ScannerLimits()
        set(&limits)
        return limits
    }

    private func store(_ fixture: IngestFixture, _ limits: ScannerLimits) throws -> IngestStore {
        try IngestStore(try fixture.database.connect(), relayUsers: [IngestFixture.relay], limits: limits)
    }

    // MARK: Journals

    @Test func journalsOverTheLimitAreQuarantinedAndReplayed() throws {
        let fixture = try IngestFixture()
        let store = try store(fixture, limits { $0.newJournals = .init(atOnce: 5, perHour: 60) })
        let journals = (1...8).map { _ in MadeJournal.admissions(count: 3) }
        let other = MadeJournal.admissions("s-2", count: 3)
        let outcomes = try store.store((journals + [other]).map { $0.batch(1, 2).delivery() })
        #expect(outcomes.count { $0 == .accepted(stored: 2, duplicates: 0, conflicts: 0) } == 6)
        #expect(outcomes.last == .accepted(stored: 2, duplicates: 0, conflicts: 0))
        #expect(
            try fixture.texts("SELECT concat_ws(' ', scanner_id, reason) FROM tapline.quarantine")
                == Array(repeating: "s-1 journal-rate", count: 3))
        // Journals that have begun go on.
        #expect(
            try store.store([journals[0].batch(3, 1).delivery()])
                == [.accepted(stored: 1, duplicates: 0, conflicts: 0)])
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals") == 6)
        // Two minutes allow two more.
        try fixture.connection.execute(
            "UPDATE tapline_internal.journal_allowances SET as_of = as_of - interval '2 minutes'")
        let later = try store.store(journals[5...].map { $0.batch(1, 2).delivery() })
        #expect(later.count { $0 == .accepted(stored: 2, duplicates: 0, conflicts: 0) } == 2)
        // An operator's replay is not limited, so nothing is lost.
        let replay = try Run.it(
            "tapline-center", ["quarantine", "replay", "--scanner", "s-1", "--database-url", fixture.database.url])
        #expect(replay.end == .exit(0), "\(replay.errors)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals") == 9)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 19)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
        try fixture.checkBooks()
    }

    /// A batch makes the row of the journal that it names as the one before it.
    @Test func journalsThatABatchNamesAreLimitedToo() throws {
        let fixture = try IngestFixture()
        let store = try store(fixture, limits { $0.newJournals = .init(atOnce: 4, perHour: 0) })
        for number in 1...5 {
            var journal = MadeJournal.admissions(count: 1)
            journal.after = ScanBatch.After(journalID: .random(), lastSeq: 7)
            let outcome = try store.store([journal.batch(1, 1).delivery()])[0]
            if case .accepted = outcome { #expect(number <= 2) } else { #expect(number > 2) }
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals") == 4)
    }

    @Test func oneScannerMakesNoPartitions() throws {
        let fixture = try IngestFixture()
        let partitions = "SELECT count(*) FROM tapline_internal.scan_partitions"
        let before = try fixture.int(partitions)
        let store = try store(fixture, ScannerLimits())
        let rate = try #require(ScannerLimits().newJournals)
        for _ in 0..<5 {
            _ = try store.store((1...1_000).map { _ in MadeJournal.admissions(count: 1).batch(1, 1).delivery() })
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals") <= rate.atOnce + 60)
        #expect(try fixture.int(partitions) == before)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine WHERE reason = 'journal-rate'") > 4_000)
        // The other scanners are not affected.
        #expect(
            try store.store([MadeJournal.admissions("s-2").batch(1, 10).delivery()])
                == [.accepted(stored: 10, duplicates: 0, conflicts: 0)])
    }

    // MARK: Quarantine

    private func garbage(_ scanner: String, _ number: Int, user: String? = nil) -> IngestDelivery {
        IngestDelivery(
            routingKey: Array("scan.\(scanner)".utf8), userID: user ?? scanner,
            body: Array("garbage \(number) ".utf8) + [UInt8](repeating: 0, count: 10_000),
            receivedMicros: IngestFixture.day + Int64(number))
    }

    @Test func oldestBodiesOfOneScannerAreDroppedAndCounted() throws {
        let fixture = try IngestFixture()
        let store = try store(fixture, limits { $0.quarantineBytes = 200_000 })
        _ = try store.store((1...15).map { garbage("s-2", $0) })
        for number in 1...60 { _ = try store.store([garbage("s-1", number)]) }
        let usage = try fixture.texts(
            "SELECT concat_ws(' ', owner, batches, dropped_batches) FROM tapline.quarantine_usage ORDER BY owner")
        #expect(usage == ["s-1 60 0", "s-2 15 0"])
        #expect(try fixture.int("SELECT bytes FROM tapline.quarantine_usage WHERE owner = 's-1'") <= 200_000)
        // The newest ones are kept, and of all the reason and the digest.
        let kept = try fixture.texts(
            "SELECT split_part(encode(substr(body, 1, 20), 'escape'), ' ', 2) FROM tapline.quarantine "
                + "WHERE owner = 's-1' AND body_dropped_at IS NULL ORDER BY id")
        #expect(kept.count >= 15 && kept == (1...60).suffix(kept.count).map { "\($0)" })
        #expect(
            try fixture.int("SELECT dropped_bodies FROM tapline.quarantine_usage WHERE owner = 's-1'")
                == Int64(60 - kept.count))
        #expect(store.droppedFromQuarantine == Int64(60 - kept.count))
        #expect(
            try fixture.int(
                "SELECT count(*) FROM tapline.quarantine WHERE owner = 's-1' AND reason = 'malformed' AND size > 10000")
                == 60)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine WHERE owner = 's-2' AND body = ''") == 0)
        // A body that arrives again is kept again, in the same row.
        _ = try store.store([garbage("s-1", 1)])
        #expect(
            try fixture.texts(
                "SELECT concat_ws(' ', times, body_dropped_at IS NULL, octet_length(body) = size) FROM tapline.quarantine "
                    + "WHERE owner = 's-1' ORDER BY id LIMIT 1") == ["2 t t"])
    }

    /// The alarm ends when the batches are removed that were there when others were dropped.
    @Test func fullQuarantineIsAnAlarmUntilItIsCleared() throws {
        let fixture = try IngestFixture()
        func alarms() throws -> [String] {
            let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fixture.database.url])
            #expect(status.end == .exit(1), "\(status.errors)")
            return status.lines.filter { $0.hasPrefix("alarm ") && $0.contains("the quarantine of ") }
        }
        let store = try store(fixture, limits { $0.quarantineBytes = 200_000 })
        _ = try store.store((1...15).map { garbage("s-2", $0) } + [garbage("s-1", 1)])
        #expect(try alarms() == [])
        for number in 2...40 { _ = try store.store([garbage("s-1", number)]) }
        let bodies = try fixture.int("SELECT dropped_bodies FROM tapline.quarantine_usage WHERE owner = 's-1'")
        let full = try alarms()
        #expect(full.count == 1)
        let text = "the quarantine of s-1 is full: \(bodies) bodies and 0 batches were dropped"
        #expect(full.first?.contains(text) == true)
        let drop = try Run.it(
            "tapline-center", ["quarantine", "drop", "--scanner", "s-1", "--database-url", fixture.database.url])
        #expect(drop.end == .exit(0), "\(drop.errors)")
        #expect(try alarms() == [])
    }

    @Test func batchesThatCanBeReplayedAreDroppedLast() throws {
        let fixture = try IngestFixture()
        let valid = (1...8).map { _ in MadeJournal.admissions(count: 300).batch(1, 300).delivery() }
        let limits = limits {
            $0.newJournals = .init(atOnce: 0, perHour: 0)
            $0.quarantineBytes = 200_000
            $0.quarantineBatches = 40
        }
        let store = try store(fixture, limits)
        _ = try store.store(valid)
        for number in 1...90 { _ = try store.store([garbage("s-1", number)]) }
        let usage = try fixture.connection.query(
            "SELECT dropped_bodies > 0, dropped_batches > 0 FROM tapline.quarantine_usage WHERE owner = 's-1'")
        #expect(usage.bool(0, 0) && usage.bool(0, 1))
        #expect(
            try fixture.int(
                """
                SELECT count(*) FROM tapline.quarantine
                WHERE reason = 'journal-rate' AND body_dropped_at IS NULL AND octet_length(body) = size
                """) == 8)
    }

    @Test func batchesOfOneScannerAreLimited() throws {
        let fixture = try IngestFixture()
        let store = try store(fixture, limits { $0.quarantineBatches = 40 })
        for number in 1...90 { _ = try store.store([garbage("s-1", number)]) }
        let rows = try fixture.int("SELECT count(*) FROM tapline.quarantine")
        #expect((35...40).contains(rows))
        #expect(
            try fixture.int("SELECT batches + dropped_batches FROM tapline.quarantine_usage WHERE owner = 's-1'") == 90)
        #expect(try fixture.int("SELECT batches FROM tapline.quarantine_usage") == rows)
        #expect(
            try fixture.int("SELECT extract(microseconds FROM max(received_at))::bigint FROM tapline.quarantine") == 90)
    }

    /// Changes by plain SQL are counted.
    @Test func dropByAnOperatorGivesTheShareBack() throws {
        let fixture = try IngestFixture()
        let store = try store(fixture, ScannerLimits())
        _ = try store.store((1...10).map { garbage("s-1", $0) })
        try fixture.connection.execute("DELETE FROM tapline.quarantine WHERE id % 2 = 0")
        let actual = "SELECT sum(octet_length(body) + octet_length(detail)) FROM tapline.quarantine"
        #expect(try fixture.int("SELECT bytes FROM tapline.quarantine_usage") == fixture.int(actual))
        try fixture.connection.execute("TRUNCATE tapline.quarantine")
        #expect(try fixture.int("SELECT bytes + batches FROM tapline.quarantine_usage") == 0)
    }

    /// A user fills its own share, whatever routing keys it uses; a relay that of the enrolled scanner.
    @Test func shareIsThatOfThePublishingUser() throws {
        let fixture = try IngestFixture()
        _ = try store(fixture, ScannerLimits()).store([
            garbage("s-2", 1, user: "s-1"), garbage("x-9", 2, user: "s-1"),
            garbage("s-3", 3, user: IngestFixture.relay), garbage("x-9", 4, user: IngestFixture.relay),
            IngestDelivery(
                routingKey: Array("scan.s-4".utf8), userID: nil, body: [1, 2], receivedMicros: IngestFixture.day),
        ])
        #expect(
            try fixture.texts("SELECT concat_ws(' ', owner, batches) FROM tapline.quarantine_usage ORDER BY owner")
                == [" 1", "relay 1", "s-1 2", "s-3 1"])
    }

    // MARK: Gaps

    @Test func onlyGapsNearABatchAreRead() throws {
        let fixture = try IngestFixture()
        let store = try fixture.store()
        let journal = MadeJournal.admissions(count: 1_200)
        _ = try store.store(stride(from: 1, through: 1_199, by: 2).map { journal.batch($0, 1).delivery() })
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.journal_gaps") == 599)
        let key = JournalKey(journalID: journal.journalID, scanner: "s-1")
        try fixture.connection.execute("BEGIN")
        for (range, firsts) in [
            (1_201...1_210, [2, 1_198]), (501...504, [2, 500, 502, 504, 506]), (2...2, [2, 4]),
        ] as [(ClosedRange<Int64>, [Int64])] {
            let rows = try JournalTable(connection: fixture.connection).lock(
                [key], seqs: [key: [range]], receivedMicros: IngestFixture.day, newJournals: nil)
            #expect(rows[key]?.gapsBefore.all.map(\.first) == firsts)
            #expect(rows[key]?.ledger.next == 2)
        }
        try fixture.connection.execute("ROLLBACK")
        // The first gaps are filled one by one, and a batch fills several.
        for (first, count, next) in [(2, 1, 4), (4, 3, 8), (800, 100, 8), (8, 1, 10)] {
            _ = try store.store([journal.batch(first, count).delivery()])
            #expect(try fixture.int("SELECT next_seq FROM tapline.journals") == Int64(next))
        }
        try fixture.checkBooks()
        _ = try store.store([journal.batch(1, 1_200).delivery()])
        #expect(try fixture.int("SELECT next_seq FROM tapline.journals") == 1_201)
        #expect(try fixture.int("SELECT count(*) FROM tapline_internal.journal_gaps") == 0)
        try fixture.checkBooks()
    }
}
