import Ingest
import Postgres
import Runtime
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing
import Tracking

/// Tests the store transaction while the database fails, and with concurrent transactions.
struct IngestFaultTests {
    private func journal(_ scanner: String, count: Int) -> MadeJournal {
        let scans = (1...Int64(count)).map { seq -> Scan in
            let verdict: Verdict = seq % 7 == 0 ? .annulled : .admitted
            let tag = TagID(rawValue: seq % 40 + 1)
            let atMs = IngestFixture.day / 1_000 + seq
            return Scan(seq: seq, atMs: atMs, tag: tag, verdict: verdict, flags: [], gate: nil, snapshot: 7)
        }
        return MadeJournal(scanner: scanner, journalID: .random(), scans: scans)
    }

    @Test func backendKilledBeforeTheCommitStoresNothing() throws {
        let fixture = try IngestFixture()
        // The deferred trigger runs as the first part of COMMIT and ends its server process.
        try fixture.connection.execute(
            """
            CREATE TABLE public.armed (yes boolean); INSERT INTO public.armed VALUES (true);
            CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM public.armed) THEN
                    PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10);
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON tapline.journals DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.die();
            """)
        let deliveries = [journal("s-1", count: 30).batch(1, 30).delivery()]
        let store = try fixture.store()
        let error = #expect(throws: PostgresError.self) { try store.store(deliveries) }
        #expect(error?.isConnectionLost == true)
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.journals") == 0)
        try fixture.connection.execute("DELETE FROM public.armed")
        let again = try fixture.store()
        #expect(try again.store(deliveries) == [.accepted(stored: 30, duplicates: 0, conflicts: 0)])
        #expect(try again.store(deliveries) == [.accepted(stored: 0, duplicates: 30, conflicts: 0)])
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    @Test func commitWithAWarningIsAnError() throws {
        let fixture = try IngestFixture()
        try fixture.connection.execute(
            """
            CREATE FUNCTION public.warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE WARNING 'cancelled wait for a standby'; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER warn AFTER UPDATE ON tapline.journals DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.warn();
            """)
        let deliveries = [journal("s-1", count: 3).batch(1, 3).delivery()]
        let store = try fixture.store()
        let error = #expect(throws: PostgresError.self) { try store.store(deliveries) }
        #expect(error?.code == .commitWithWarning)
        try fixture.connection.execute("DROP TRIGGER warn ON tapline.journals")
        #expect(try store.store(deliveries) == [.accepted(stored: 0, duplicates: 3, conflicts: 0)])
        try fixture.checkBooks()
    }

    @Test func twoWritersOfTheSameJournalsStoreEachScanOnce() async throws {
        let fixture = try IngestFixture()
        let journals = ["s-1", "s-2", "s-4"].map { journal($0, count: 120) }
        var random = TestRandom(99)
        var deliveries: [IngestDelivery] = []
        for journal in journals {
            for first in stride(from: 1, through: 120, by: 10) {
                deliveries.append(journal.batch(first, 10).delivery())
            }
        }
        let url = fixture.database.url
        let orders = [deliveries.shuffled(using: &random), deliveries.shuffled(using: &random)]
        try await withThrowingTaskGroup(of: Int.self) { group in
            for order in orders {
                group.addTask {
                    try await NamedThread.run("writer") {
                        let connection = try PostgresConnection(url: url, applicationName: "tapline-test writer")
                        let store = try IngestStore(connection, relayUsers: [IngestFixture.relay])
                        var stored = 0
                        for start in stride(from: 0, to: order.count, by: 4) {
                            for outcome in try store.store(Array(order[start..<min(order.count, start + 4)])) {
                                if case .accepted(let count, _, 0) = outcome { stored += count }
                            }
                        }
                        return stored
                    }
                }
            }
            var stored = 0
            for try await count in group { stored += count }
            #expect(stored == 360)
        }
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 360)
        #expect(try fixture.int("SELECT sum(received) FROM tapline.journals") == 720)
        try fixture.checkBooks()
        try fixture.checkPresence()
    }

    /// A scan is stored during an open transaction that changes the registry. The store does not wait for it, and its commit
    /// corrects the row of presence.
    @Test func openRegistryTransactionDoesNotBlockScans() throws {
        let fixture = try IngestFixture()
        let registry = try fixture.database.connect()
        try registry.execute(
            """
            BEGIN; INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (77, 7);
            UPDATE tapline.gates SET zone_id = 2 WHERE id = 1
            """)
        let scan = Scan(
            seq: 1, atMs: IngestFixture.day / 1_000, tag: TagID(rawValue: 77), verdict: .admitted, flags: [], gate: nil,
            snapshot: 7)
        let delivery = MadeJournal(scanner: "s-1", journalID: .random(), scans: [scan]).batch(1, 1).delivery()
        let connection = try fixture.database.connect()
        try connection.execute("SET statement_timeout = '10s'")
        let store = try IngestStore(connection, relayUsers: [IngestFixture.relay])
        #expect(try store.store([delivery]) == [.accepted(stored: 1, duplicates: 0, conflicts: 0)])
        try TrackingStore(connection).catchUp()
        let presence = "SELECT coalesce(attendee_id::text, '-') || ' ' || zone_id FROM tapline.presence"
        #expect(try fixture.texts(presence) == ["- 1"])
        try registry.execute("COMMIT")
        #expect(try fixture.texts(presence) == ["7 2"])
        try fixture.checkPresence()
    }
}
