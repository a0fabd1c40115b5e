import CLI
import FileSystem
import Glibc
import LinuxSystem
import Postgres
import Runtime
import ScanModel
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

@Suite struct NightTimeTests {
    @Test(arguments: ["", "3:00", "24:00", "03:60", "0300", "03:00:00", "-1:00", "+3:00", "03:0 "])
    func `a time that is none is refused`(time: String) throws {
        #expect(throws: ProgramError.self) { try DailySchedule(time) }
    }

    @Test func `the night's time is the event's local time`() throws {
        let fair = try Fair()
        let night = try DailySchedule("03:00").appointments(fair.connection)
        let now = SystemClock.nowMicroseconds() / 1_000_000
        #expect(night.previousS <= now && now < night.nextS)
        #expect((23 * 3_600...25 * 3_600).contains(night.nextS - night.previousS))
        for instant in [night.previousS, night.nextS] {
            let local = try fair.rows(
                "SELECT to_char(to_timestamp(\(instant)) AT TIME ZONE 'Australia/Lord_Howe', 'HH24:MI:SS')")
            #expect(local == ["03:00:00"])
        }
    }
}

@Suite struct SnapshotServiceTests {
    private func service(_ fair: Fair, databaseURL: String? = nil, night: DailySchedule? = nil) -> SnapshotService {
        var service = SnapshotService(databaseURL: databaseURL ?? fair.database.url, fair.settings, night: night)
        service.plan = quickPlan
        return service
    }

    /// As the real one, but for how long it waits.
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
        let deadline = SystemClock.monotonicMs() + 10_000
        var count = 0
        while count < services.count, SystemClock.monotonicMs() < deadline {
            count += ended.receive(timeoutMs: 1_000).count
        }
        #expect(count == services.count, "a service did not stop")
        try result.get()
    }

    private func eventually(_ fair: Fair, _ folder: String? = nil, _ condition: (Manifest) throws -> Bool) throws
        -> Manifest
    {
        let deadline = SystemClock.monotonicMs() + 30_000
        let path = folder ?? fair.out
        while SystemClock.monotonicMs() < deadline {
            if let found = try? PublicationCheck(path: path, keys: [fair.key.publicKey]).manifest, try condition(found)
            {
                return found
            }
            usleep(20_000)
        }
        throw TestFailure("no such snapshot is published in \(path)")
    }

    @Test func `it exports what is owed, once`() throws {
        let fair = try Fair()
        let service = service(fair)
        let now = SystemClock.nowMicroseconds() / 1_000_000
        let fresh = service.freshSinceS(nowS: now, nightS: nil)
        #expect(fresh == now - 24 * 3_600)
        #expect(service.freshSinceS(nowS: now, nightS: now - 60) == now - 60)
        #expect(service.isOwed(freshSinceS: fresh, nowS: now))
        let first = try service.export(freshSinceS: fresh)
        #expect(first.isNew && !service.isOwed(freshSinceS: fresh, nowS: now))
        let again = try service.export(freshSinceS: fresh)
        #expect(!again.isNew && again.manifest == first.manifest)
        #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["1"])
        // A night later, or when half of its time is over.
        let later = first.manifest.created + 1
        #expect(service.isOwed(freshSinceS: later, nowS: now))
        let second = try service.export(freshSinceS: later)
        #expect(second.isNew && second.manifest.version > first.manifest.version)
        #expect(second.manifest.content == first.manifest.content)
        // A crash between the two renames left another manifest's signature.
        try Files.writeAtomically([1], to: fair.out + "/manifest.json.minisig")
        #expect(service.isOwed(freshSinceS: fresh, nowS: now))
        let third = try service.export(freshSinceS: fresh)
        #expect(try third.isNew && fair.check() == third.manifest)
        // Somebody removed a file.
        try Files.remove(fair.out + "/" + third.manifest.file)
        #expect(service.isOwed(freshSinceS: fresh, nowS: now))
        #expect(try service.export(freshSinceS: fresh).isNew)
    }

    /// By hand, with a shorter `--expires-in`: it must not end before the center's next one is there.
    @Test func `one that expires sooner is followed sooner`() throws {
        let fair = try Fair()
        let service = service(fair)
        fair.settings.expiresInS = 3_600
        let hour = try fair.export()
        #expect(!service.isOwed(freshSinceS: 0, nowS: hour.created + 1_799))
        #expect(service.isOwed(freshSinceS: 0, nowS: hour.created + 1_800))
        #expect(try !service.export(freshSinceS: 0).isNew)
        fair.settings.expiresInS = 1
        let short = try fair.export()
        let next = try service.export(freshSinceS: 0)
        #expect(next.isNew && next.manifest.content == short.content)
        #expect(next.manifest.expires - next.manifest.created == SnapshotExporter.defaultExpiresInS)
    }

    @Test func `before anybody is registered it waits`() throws {
        let fair = try Fair()
        try fair.connection.execute("DELETE FROM tapline.tags")
        #expect(try #require(throws: ExportRefusal.self) { try service(fair).export(freshSinceS: 0) } == .empty)
        #expect(!Files.exists(fair.out + "/manifest.json"))
    }

    /// Any change by plain SQL: published in time, with a delta, and once.
    @Test func `what is changed is published by itself`() throws {
        let fair = try Fair()
        try running(service(fair)) {
            var last = try eventually(fair) { _ in true }
            for change in [
                "UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41",
                "BEGIN; INSERT INTO tapline.attendees (id, name) VALUES (9, 'Eve'); INSERT INTO tapline.tags VALUES (91, 9); COMMIT",
            ] {
                let changedMs = SystemClock.monotonicMs()
                try fair.connection.execute(change)
                let next = try eventually(fair) { $0.version > last.version }
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

    @Test func `each table tells, and what is in no snapshot does not`() throws {
        let fair = try Fair()
        let watch = try RegistryChangeListener(databaseURL: fair.database.url)
        let stop = StopSignal()
        func isTold(_ sql: String) throws -> Bool {
            try fair.connection.execute(sql)
            // What was told comes in order: after this one, all that was told before is there.
            try fair.connection.execute("NOTIFY \(RegistryChangeListener.channel), 'end'")
            var count = 0
            let deadline = SystemClock.monotonicMs() + 10_000
            while SystemClock.monotonicMs() < deadline {
                let heard = try watch.heard()
                count += heard.count
                if heard.contains("end") { return count > 1 }
                watch.wait(stop, ms: 1_000)
            }
            throw TestFailure("nothing is heard")
        }
        for sql in [
            "UPDATE tapline.attendees SET status = 'blocked' WHERE id = 1", "UPDATE tapline.attendees SET pass_id = 2",
            "UPDATE tapline.tags SET status = 'void' WHERE tag_id = 12", "DELETE FROM tapline.tags WHERE tag_id = 12",
            "INSERT INTO tapline.passes (name) VALUES ('new')",
            "UPDATE tapline.access SET valid_until = now() + '1 day'",
            "UPDATE tapline.zones SET name = 'court' WHERE id = 2",
            "UPDATE tapline.gates SET policy = '{\"minutes\": 3}'",
            "UPDATE tapline.scanners SET enabled = false WHERE id = 'a'",
            "UPDATE tapline.event SET day_start = '04:00'",
            "TRUNCATE tapline.tags CASCADE", "TRUNCATE tapline.zones CASCADE", "TRUNCATE tapline.event",
        ] { #expect(try isTold(sql), "\(sql)") }
        for sql in [
            "UPDATE tapline.attendees SET name = 'Zoe', category = 'x'", "UPDATE tapline.zones SET capacity = 5",
            "BEGIN; DELETE FROM tapline.gates; ROLLBACK",
        ] { #expect(try !isTold(sql), "\(sql)") }
    }

    @Test func `it survives a database that is away, and hears again what it missed`() throws {
        let fair = try Fair()
        let nowhere = service(fair, databaseURL: "postgresql://x@127.0.0.1:1/x")
        try running(nowhere, service(fair)) {
            let first = try eventually(fair) { _ in true }
            // Its connection is cut; what is changed meanwhile nobody tells it.
            try fair.connection.execute(
                """
                ALTER TABLE tapline.tags DISABLE TRIGGER notify_change;
                UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41;
                SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE application_name = 'tapline-center snapshots' AND datname = current_database()
                """)
            _ = try eventually(fair) { $0.version > first.version && $0.content != first.content }
        }
    }

    private func untilAnswered(_ fair: Fair, _ sql: String, _ answer: String) throws {
        let deadline = SystemClock.monotonicMs() + 20_000
        while try fair.rows(sql) != [answer] {
            guard SystemClock.monotonicMs() < deadline else { throw TestFailure("\(sql): not \(answer)") }
            usleep(10_000)
        }
    }

    @Test func `a list that shrank is not published until it is mended`() throws {
        let fair = try Fair()
        fair.settings.lockWaitMs = 20_000
        let lockHolder = try fair.database.connect()
        try running(service(fair)) {
            let first = try eventually(fair) { _ in true }
            // An export comes, waits for its turn, gets it, and goes.
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
            let mended = try eventually(fair) { $0.version > first.version }
            #expect(mended.attendees == first.attendees)
        }
    }

    @Test func `two centers publish the same file in their own folders, or once in a common one`() throws {
        let fair = try Fair()
        var other = fair.settings
        other.folder = fair.folder.file("other")
        fair.settings.lockWaitMs = 20_000
        other.lockWaitMs = 20_000
        var apart = SnapshotService(databaseURL: fair.database.url, other)
        apart.plan = quickPlan
        try running(service(fair), service(fair), apart) {
            let first = try eventually(fair) { _ in true }
            #expect(try eventually(fair, other.folder) { _ in true } == first)
            try fair.connection.execute("UPDATE tapline.tags SET status = 'lost' WHERE tag_id = 41")
            let second = try eventually(fair) { $0.content != first.content }
            #expect(try eventually(fair, other.folder) { $0.content != first.content } == second)
            #expect(second.version > first.version && second.deltas?.map(\.from) == [first.version])
            #expect(try fair.rows("SELECT count(*) FROM tapline.snapshots") == ["2"])
        }
    }

    @Test func `under one version there is one file`() throws {
        let fair = try Fair()
        let first = try service(fair).export(freshSinceS: 0).manifest
        func elsewhere(_ name: String) throws -> Manifest {
            fair.settings.folder = fair.folder.file(name)
            return try service(fair).export(freshSinceS: 0).manifest
        }
        #expect(try elsewhere("joined") == first)
        // Too old to be joined.
        fair.settings.folder = fair.folder.file("late")
        let late = try service(fair).export(freshSinceS: first.created + 1).manifest
        #expect(late.version > first.version && late.content == first.content)
        // By another program: the same list, other bytes.
        try fair.connection.execute("UPDATE tapline.snapshots SET sha256 = repeat('0', 64)")
        let differing = try elsewhere("differing")
        #expect(differing.version > late.version && differing.content == first.content)
        #expect(try elsewhere("joined again") == differing)
        try fair.connection.execute("UPDATE tapline.event SET name = 'Another'")
        let renamed = try elsewhere("renamed")
        #expect(renamed.version > differing.version && renamed.event == "Another")
        // Who exports by hand means it.
        fair.settings.folder = fair.folder.file("by hand")
        #expect(try fair.export().version > renamed.version)
        let rows = try fair.rows("SELECT count(*), count(DISTINCT content) FROM tapline.snapshots")
        #expect(rows == ["5|1"])
    }
}
