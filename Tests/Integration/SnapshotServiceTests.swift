import FileSystem
import LinuxSystem
import Postgres
import Runtime
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

@Suite struct DailyScheduleTests {
    @Test(arguments: ["", "3:00", "24:00", "03:60", "0300", "03:00:00", "-1:00", "+3:00", "03:0 "])
    func invalidTimeIsRejected(time: String) throws {
        #expect(throws: SnapshotExportError.self) { try DailySchedule(time) }
    }

    @Test func scheduleUsesLocalTimeOfEvent() throws {
        let fair = try ExportFixture()
        let now = SystemClock.nowMicroseconds() / 1_000_000
        let instants = try DailySchedule("03:00").instants(fair.connection, nowS: now)
        let earlier = try DailySchedule("03:00").instants(fair.connection, nowS: now - 86_400)
        #expect(earlier.previousS <= now - 86_400 && earlier.nextS == instants.previousS)
        #expect(instants.previousS <= now && now < instants.nextS)
        #expect((23 * 3_600...25 * 3_600).contains(instants.nextS - instants.previousS))
        for instant in [instants.previousS, instants.nextS] {
            let local = try fair.rows(
                "SELECT to_char(to_timestamp(\(instant)) AT TIME ZONE 'Australia/Lord_Howe', 'HH24:MI:SS')")
            #expect(local == ["03:00:00"])
        }
    }
}

@Suite struct SnapshotServiceTests {
    private func service(
        _ fair: ExportFixture, databaseURL: String? = nil, schedule: DailySchedule? = nil
    ) -> SnapshotService {
        var service = SnapshotService(databaseURL: databaseURL ?? fair.database.url, fair.settings, schedule: schedule)
        service.plan = quickPlan
        return service
    }

    /// The production plan with shorter waits.
    private var quickPlan: ExportPlan {
        var plan = ExportPlan()
        plan.debounceMs = debounceMs
        plan.restMs = 100...1_000
        return plan
    }

    private let debounceMs: Int64 = 300

    /// Runs services until `body` returns, and waits for their end.
    private func running(_ services: SnapshotService..., while body: () throws -> Void) throws {
        let (stop, ended) = (StopSignal(), Mailbox<Int>(capacity: services.count))
        for (number, service) in services.enumerated() {
            NamedThread("snapshots-\(number)") {
                service.run(stop)
                ended.send(number)
            }
        }
        let result = Result { try body() }
        stop.stop()
        let deadline = SystemClock.monotonicMs() + Int64(waitLimitMs)
        var count = 0
        while count < services.count, SystemClock.monotonicMs() < deadline {
            count += ended.receive(timeoutMs: 1_000).count
        }
        #expect(count == services.count, "a service did not stop")
        try result.get()
    }

    private func published(
        _ fair: ExportFixture, _ folder: String? = nil, _ condition: (Manifest) throws -> Bool
    ) throws -> Manifest {
        let path = folder ?? fair.out
        var published: Manifest?
        try TestSupport.eventually("the snapshot is published in \(path)", everyMs: 20) {
            guard let found = try? PublicationCheck(path: path, keys: [fair.key.publicKey]).manifest,
                try condition(found)
            else { return false }
            published = found
            return true
        }
        return try #require(published)
    }

    @Test func dueSnapshotIsExportedOnce() throws {
        let fair = try ExportFixture()
        let service = service(fair)
        let now = SystemClock.nowMicroseconds() / 1_000_000
        let fresh = service.freshSinceS(nowS: now, scheduledS: nil)
        #expect(fresh == now - 24 * 3_600)
        #expect(service.freshSinceS(nowS: now, scheduledS: now - 60) == now - 60)
        #expect(service.isDue(freshSinceS: fresh, nowS: now))
        let first = try service.export(freshSinceS: fresh)
        #expect(first.isNew && !service.isDue(freshSinceS: fresh, nowS: now))
        let again = try service.export(freshSinceS: fresh)
        #expect(!again.isNew && again.manifest == first.manifest)
        #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["1"])
        // After the next scheduled instant, or after half of its lifetime.
        let later = first.manifest.created + 1
        #expect(service.isDue(freshSinceS: later, nowS: now))
        let second = try service.export(freshSinceS: later)
        #expect(second.isNew && second.manifest.version > first.manifest.version)
        #expect(second.manifest.content == first.manifest.content)
        // A crash between the two renames left the signature of another manifest.
        try Files.writeAtomically([1], to: fair.out + "/manifest.json.minisig")
        #expect(service.isDue(freshSinceS: fresh, nowS: now))
        let third = try service.export(freshSinceS: fresh)
        #expect(try third.isNew && fair.check() == third.manifest)
        // A file was removed.
        try Files.remove(fair.out + "/" + third.manifest.file)
        #expect(service.isDue(freshSinceS: fresh, nowS: now))
        #expect(try service.export(freshSinceS: fresh).isNew)
    }

    /// A manual export with a shorter lifetime: the center must replace it before it expires.
    @Test func snapshotWithShorterLifetimeIsReplacedEarlier() throws {
        let fair = try ExportFixture()
        let service = service(fair)
        fair.settings.expiresInS = 3_600
        let hour = try fair.export()
        #expect(!service.isDue(freshSinceS: 0, nowS: hour.created + 1_799))
        #expect(service.isDue(freshSinceS: 0, nowS: hour.created + 1_800))
        #expect(try !service.export(freshSinceS: 0).isNew)
        fair.settings.expiresInS = 1
        let short = try fair.export()
        let next = try service.export(freshSinceS: 0)
        #expect(next.isNew && next.manifest.content == short.content)
        #expect(next.manifest.expires - next.manifest.created == SnapshotExporter.defaultExpiresInS)
    }

    // MARK: Clocks

    private var now: Int64 { SystemClock.nowMicroseconds() / 1_000_000 }

    @Test func revocationReachesScannersWhileTheDatabaseIsAhead() throws {
        let fair = try ExportFixture()
        let url = try fair.clockURL()
        let first = try service(fair, databaseURL: url).export(freshSinceS: 0).manifest
        try fair.setDatabaseAhead(86_400)
        try fair.connection.execute("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41")
        let second = try service(fair, databaseURL: url).export(freshSinceS: 0).manifest
        #expect(second.version > first.version && second.content != first.content)
        #expect(second.created <= now && second.expires >= second.created + 3 * 86_400 - 60)
        try SnapshotVerification.times(of: second, InstallClock(nowS: now, isSynchronised: true))
        // Also a scanner that is right if the database is right.
        try SnapshotVerification.times(of: second, InstallClock(nowS: now + 86_400, isSynchronised: true))
        // The same list is not published over and over.
        let service = service(fair, databaseURL: url)
        #expect(!service.isDue(freshSinceS: service.freshSinceS(nowS: now, scheduledS: nil), nowS: now))
    }

    @Test func snapshotOfTheFutureIsPublishedAgainWhenTheClocksAreRight() throws {
        let fair = try ExportFixture()
        let url = try fair.clockURL()
        try fair.setDatabaseAhead(86_400)
        fair.settings.machineClockS = { SystemClock.nowMicroseconds() / 1_000_000 + 86_400 }
        let future = try service(fair, databaseURL: url).export(freshSinceS: 0).manifest
        #expect(future.created > now + 86_000)
        #expect(throws: SnapshotRefusal.self) {
            try SnapshotVerification.times(of: future, InstallClock(nowS: now, isSynchronised: true))
        }
        let status = try Run.it("tapline-center", ["status", "--all", "--database-url", fair.database.url])
        #expect(status.lines.contains { $0.hasPrefix("alarm") && $0.contains("was created in the future") })
        try fair.setDatabaseAhead(0)
        fair.settings.machineClockS = { SystemClock.nowMicroseconds() / 1_000_000 }
        try running(service(fair, databaseURL: url)) {
            let next = try published(fair) { $0.version > future.version }
            #expect(next.created <= now)
            try SnapshotVerification.times(of: next, InstallClock(nowS: now, isSynchronised: true))
        }
        #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["2"])
    }

    @Test func emptyListIsNotPublished() throws {
        let fair = try ExportFixture()
        try fair.connection.execute("DELETE FROM tapline.tags")
        #expect(try #require(throws: ExportRejection.self) { try service(fair).export(freshSinceS: 0) } == .empty)
        #expect(!Files.exists(fair.out + "/manifest.json"))
    }

    /// A change by plain SQL is published once, after the debounce delay, with a delta.
    @Test func changeIsPublishedWithDelta() throws {
        let fair = try ExportFixture()
        try running(service(fair)) {
            var last = try published(fair) { _ in true }
            for change in [
                "UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41",
                "BEGIN; INSERT INTO tapline.attendees (id, name) VALUES (9, 'Eve'); INSERT INTO tapline.tags VALUES (91, 9); COMMIT",
            ] {
                let changedMs = SystemClock.monotonicMs()
                try fair.connection.execute(change)
                let next = try published(fair) { $0.version > last.version }
                #expect(SystemClock.monotonicMs() - changedMs >= debounceMs)
                #expect(next.content != last.content)
                #expect(next.deltas?.first?.from == last.version)
                #expect(next.deltas?.first.map { $0.size < 400 } == true)
                last = next
            }
            #expect(try fair.open(last).attendee(.init(rawValue: 91))?.attendee == 9)
            #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["3"])
        }
    }

    @Test func serviceSurvivesLostConnectionAndReadsMissedChange() throws {
        let fair = try ExportFixture()
        let nowhere = service(fair, databaseURL: "postgresql://x@127.0.0.1:1/x")
        try running(nowhere, service(fair)) {
            let first = try published(fair) { _ in true }
            // The connection is lost, and the change in between is not recorded.
            try fair.connection.execute(
                """
                ALTER TABLE tapline.tags DISABLE TRIGGER note_change;
                UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41;
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE application_name = 'tapline-center snapshots' AND datname = current_database()
                """)
            _ = try published(fair) { $0.version > first.version && $0.content != first.content }
        }
    }

    private func untilAnswered(_ fair: ExportFixture, _ sql: String, _ answer: String) throws {
        try TestSupport.eventually("\(sql) returns \(answer)", everyMs: 10) { try fair.rows(sql) == [answer] }
    }

    @Test func shrunkListIsNotPublishedUntilRestored() throws {
        let fair = try ExportFixture()
        fair.settings.lockWaitMs = 20_000
        let lockHolder = try fair.database.connect()
        try running(service(fair)) {
            let first = try published(fair) { _ in true }
            // Wait until an export waits for the lock, and then until it ended.
            try lockHolder.query("SELECT pg_advisory_lock($1)", [.int64(ExportLock.advisoryKey)])
            try fair.connection.execute(
                "CREATE TABLE saved AS TABLE tapline.tags; DELETE FROM tapline.tags WHERE tag_id < 30")
            let exports = """
                SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'tapline-snapshot' AND datname = current_database()
                """
            try untilAnswered(fair, exports, "1")
            try lockHolder.query("SELECT pg_advisory_unlock($1)", [.int64(ExportLock.advisoryKey)])
            try untilAnswered(fair, exports, "0")
            #expect(try fair.check() == first)
            try fair.connection.execute(
                "INSERT INTO tapline.tags SELECT * FROM saved ON CONFLICT DO NOTHING; UPDATE tapline.tags SET status = 'void' WHERE tag_id = 41"
            )
            let restored = try published(fair) { $0.version > first.version }
            #expect(restored.attendees == first.attendees)
        }
    }

    @Test func centersPublishSameFileOncePerFolder() throws {
        let fair = try ExportFixture()
        var other = fair.settings
        other.folder = fair.folder.file("other")
        fair.settings.lockWaitMs = 20_000
        other.lockWaitMs = 20_000
        var apart = SnapshotService(databaseURL: fair.database.url, other)
        apart.plan = quickPlan
        try running(service(fair), service(fair), apart) {
            let first = try published(fair) { _ in true }
            #expect(try published(fair, other.folder) { _ in true } == first)
            try fair.connection.execute("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41")
            let second = try published(fair) { $0.content != first.content }
            #expect(try published(fair, other.folder) { $0.content != first.content } == second)
            #expect(second.version > first.version && second.deltas?.map(\.from) == [first.version])
            #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["2"])
        }
    }

    @Test func versionIdentifiesOneFile() throws {
        let fair = try ExportFixture()
        let first = try service(fair).export(freshSinceS: 0).manifest
        func elsewhere(_ name: String) throws -> Manifest {
            fair.settings.folder = fair.folder.file(name)
            return try service(fair).export(freshSinceS: 0).manifest
        }
        #expect(try elsewhere("joined") == first)
        // The existing version is too old to be published here.
        fair.settings.folder = fair.folder.file("late")
        let late = try service(fair).export(freshSinceS: first.created + 1).manifest
        #expect(late.version > first.version && late.content == first.content)
        // Another program version made other bytes from the same list.
        try fair.connection.execute("UPDATE tapline.snapshots SET sha256 = repeat('0', 64)")
        let differing = try elsewhere("differing")
        #expect(differing.version > late.version && differing.content == first.content)
        #expect(try elsewhere("joined again") == differing)
        try fair.connection.execute("UPDATE tapline.event SET name = 'Another'")
        let renamed = try elsewhere("renamed")
        #expect(renamed.version > differing.version && renamed.event == "Another")
        // A manual export always makes a new version.
        fair.settings.folder = fair.folder.file("manual")
        #expect(try fair.export().version > renamed.version)
        let rows = try fair.rows("SELECT count(*), count(DISTINCT content) FROM tapline.snapshots")
        #expect(rows == ["5|1"])
    }
}
