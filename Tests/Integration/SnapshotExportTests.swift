import Glibc
import Postgres
import Registry
import Runtime
import Scans
import Snapshots
import Support
import Testing

@testable import Exporting

/// A database with a small event, and a folder to publish in.
private final class Fair {
    let database: TestDatabase
    let connection: PostgresConnection
    let folder = TemporaryFolder("export")
    let key: MinisignSecretKey
    var settings: SnapshotExport.Settings
    var out: String { settings.folder }
    var store: SnapshotStore { SnapshotStore(folder: folder.file("scanner")) }

    init(event: String? = "Fair") throws {
        database = try TestDatabase()
        connection = try database.connect()
        _ = try Migrator(connection).migrate()
        key = try MinisignSecretKey.generate()
        settings = SnapshotExport.Settings(folder: folder.file("out"), key: key)
        if let event {
            try connection.query(
                "INSERT INTO tapline.event (name, time_zone, day_start) VALUES ($1, 'Australia/Lord_Howe', '05:30')",
                [.text(event)])
        }
        try connection.execute(
            """
            INSERT INTO tapline.zones (id, name, parent_id) VALUES (1, 'site', NULL), (2, 'hall', 1);
            INSERT INTO tapline.gates (id, name, zone_id, from_zone_id, policy) VALUES
                (1, 'main', 1, NULL, '{}'), (2, 'door', 2, 1, '{"antipassback": "timed", "minutes": 20}');
            INSERT INTO tapline.scanners (id, gate_id, enabled) VALUES
                ('a', 1, true), ('spare', NULL, true), ('gone', 1, false);
            INSERT INTO tapline.passes (id, name, colour, note, reentry) VALUES
                (1, 'crew', 'red', 'all doors', 'free'), (2, NULL, NULL, NULL, 'gate');
            INSERT INTO tapline.access (pass_id, zone_id, valid_from, valid_until) VALUES
                (1, 1, NULL, NULL), (1, 2, '2026-11-23 10:00:00.5Z', 'infinity'),
                (2, 1, '-infinity', '2026-11-24 10:00Z');
            INSERT INTO tapline.attendees (id, name, status, pass_id) VALUES
                (1, 'Ada Secret', 'active', 1), (2, 'Bob', 'blocked', 2), (3, 'Cem', 'void', 2), (4, 'Dan', 'active', NULL);
            INSERT INTO tapline.tags (tag_id, attendee_id, status) VALUES
                (-9223372036854775808, 1, 'active'), (9223372036854775807, 1, 'lost'), (12, 1, 'void'),
                (21, 2, 'active'), (22, 2, 'lost'), (23, 2, 'void'), (31, 3, 'active'), (32, 3, 'lost'), (41, 4, 'active');
            """)
    }

    func export() throws -> Manifest { try SnapshotExport(databaseURL: database.url, settings).run() }
    /// Rows by psql, columns joined by `|`.
    func rows(_ sql: String) throws -> [String] { try Psql.run(database.url, sql) }
    func check() throws -> Manifest { try PublicationCheck(path: out, keys: [key.publicKey]).manifest }
    func open(_ manifest: Manifest) throws -> Snapshot { try Snapshot(path: out + "/" + manifest.file) }
}

@Suite struct SnapshotExportTests {
    @Test func `a snapshot says what the registry says`() throws {
        let fair = try Fair()
        let manifest = try fair.export()
        let snapshot = try fair.open(manifest)
        #expect(snapshot.event == "Fair" && manifest.event == "Fair")
        #expect(manifest.attendees == 9)
        #expect(manifest.expires - manifest.created == 48 * 3_600)
        // Lost goes before void, void before blocked; a person without a pass has pass 0.
        let expected: [(Int64, Attendee.Status, Int64, Int64)] = [
            (.min, .active, 1, 1), (12, .void, 1, 1), (21, .blocked, 2, 2), (22, .lost, 2, 2), (23, .void, 2, 2),
            (31, .void, 2, 3), (32, .lost, 2, 3), (41, .active, 0, 4), (.max, .lost, 1, 1),
        ]
        var found: [(Int64, Attendee.Status, Int64, Int64)] = []
        try snapshot.forEachAttendee { found.append(($0.rawValue, $1.status, $1.pass, $1.attendee)) }
        #expect(found.elementsEqual(expected, by: ==))
        #expect(
            snapshot.passes[1]
                == Pass(
                    id: 1, name: "crew", colour: "red", note: "all doors", reentry: .free,
                    access: [Access(zone: 1), Access(zone: 2, from: 1_795_428_000, until: nil)]))
        #expect(snapshot.passes[2]?.access == [Access(zone: 1, from: nil, until: 1_795_514_400)])
        #expect(snapshot.zones[2] == Zone(id: 2, name: "hall", parent: 1))
        #expect(snapshot.gates[1]?.policy == Policy() && snapshot.gates[1]?.fromZone == nil)
        #expect(snapshot.gates[2]?.policy.minutes == 20 && snapshot.gates[2]?.fromZone == 1)
        #expect(snapshot.scanners == ["a": 1, "spare": nil])
        let row = try fair.rows(
            "SELECT version, attendees, size, sha256, file, extract(epoch FROM expires_at - created_at)::int FROM tapline.snapshots"
        )
        #expect(
            row == [
                "\(manifest.version)|9|\(manifest.size)|\(manifest.sha256)|\(manifest.file)|172800"
            ])
        // No name of a person is in any file of the folder.
        for name in try Files.list(fair.out) {
            let text = String(decoding: try Files.read(fair.out + "/" + name), as: UTF8.self)
            #expect(!text.contains("Ada") && !text.contains("Secret"), "\(name)")
        }
    }

    @Test func `days are the event's own, without a hole`() throws {
        let fair = try Fair()
        let days = try fair.open(fair.export()).days
        #expect(days.count == 16)
        #expect(zip(days, days.dropFirst()).allSatisfy { $0.ends == $1.starts })
        #expect(days.allSatisfy { (23 * 3_600...25 * 3_600).contains($0.ends - $0.starts) })
        let now = SystemClock.nowMicroseconds() / 1_000_000
        #expect(days[1].starts <= now && now < days[1].ends)
        for day in days {
            let local = try fair.rows(
                "SELECT to_char(to_timestamp(\(day.starts)) AT TIME ZONE 'Australia/Lord_Howe', 'YYYY-MM-DD HH24:MI:SS')"
            )
            #expect(local == ["\(day.day) 05:30:00"])
        }
    }

    @Test func `a scanner installs what is published, and stock minisign verifies it`() throws {
        let fair = try Fair()
        let manifest = try fair.export()
        #expect(try fair.check() == manifest)
        let files = try (Files.read(fair.out + "/manifest.json"), Files.read(fair.out + "/manifest.json.minisig"))
        // Of the keys in SPEC.md only `compressed` is optional.
        #expect(String(decoding: files.0, as: UTF8.self).contains("\"deltas\""))
        let offer = try fair.store.offer(manifest: files.0, signature: files.1, keys: [fair.key.publicKey])
        try fair.store.install(offer, file: fair.out + "/" + manifest.file)
        #expect(fair.store.currentVersion() == manifest.version)
        let minisign = try ChildProcess(
            "minisign", ["-V", "-m", fair.out + "/manifest.json", "-P", fair.key.publicKey.base64], output: .null)
        #expect(try minisign.wait() == .exit(0))
        let gzip = try ChildProcess("gzip", ["-t", fair.out + "/" + manifest.file + ".gz"], output: .null)
        #expect(try gzip.wait() == .exit(0))
    }

    @Test func `the same list has the same content, and versions rise within a second`() throws {
        let fair = try Fair()
        let first = try fair.export()
        let second = try fair.export()
        #expect(second.version > first.version)
        #expect(second.content == first.content)
        try fair.connection.execute("UPDATE tapline.attendees SET status = 'blocked' WHERE id = 1")
        let third = try fair.export()
        #expect(third.content != first.content)
        let diff = try SnapshotDiff(from: fair.out + "/" + first.file, to: fair.out + "/" + third.file)
        let attendees = try #require(diff.counts.first { $0.table == "attendees" })
        #expect((attendees.added, attendees.removed, attendees.changed) == (0, 0, 1))
        #expect(diff.rows.contains { $0.text == "uid=-9223372036854775808 status=1 -> 2" })
    }

    @Test func `a version is above all that the database and the folder know`() throws {
        let fair = try Fair()
        let far: Int64 = 5_000_000_000
        try fair.connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
            VALUES (\(far), now(), 0, 0, repeat('0', 64), 'x')
            """)
        #expect(try fair.export().version == far + 1)
        // A database restored from a backup of before that night.
        try fair.connection.execute("DELETE FROM tapline.snapshots")
        #expect(try fair.export().version == far + 2)
    }

    @Test func `only the last versions stay, and never less than what is published`() throws {
        let fair = try Fair()
        fair.settings.keep = 3
        var versions: [Int64] = []
        for _ in 0..<5 { versions.append(try fair.export().version) }
        let kept = try Files.list(fair.out).filter { $0.hasPrefix("snapshot-") }
        #expect(kept == versions.suffix(3).flatMap { ["snapshot-\($0).sqlite", "snapshot-\($0).sqlite.gz"] })
        fair.settings.keep = 1
        let last = try fair.export()
        #expect(try fair.check() == last)
    }

    @Test func `two exports exclude each other`() throws {
        let fair = try Fair()
        let first = try fair.export()
        let other = try fair.database.connect()
        try other.query("SELECT pg_advisory_lock($1)", [.int64(SnapshotExport.advisoryLock)])
        #expect(try #require(throws: ProgramError.self) { try fair.export() }.code == .failed)
        try other.query("SELECT pg_advisory_unlock($1)", [.int64(SnapshotExport.advisoryLock)])
        let lock = try FileLock(fair.out + "/.export.lock")
        #expect(try #require(throws: ProgramError.self) { try fair.export() }.code == .configuration)
        withExtendedLifetime(lock) {}
        #expect(try fair.check() == first)
    }

    @Test func `an export waits for no scan that is being stored, and holds none up`() throws {
        let fair = try Fair()
        let ingest = try fair.database.connect()
        try ingest.execute("BEGIN; SELECT tapline.lock_presence()")
        #expect(try fair.export() == fair.check())
        try ingest.execute("COMMIT")
        try ingest.query("SELECT pg_advisory_lock($1)", [.int64(SnapshotExport.advisoryLock)])
        try fair.connection.execute("SET statement_timeout = '10s'; BEGIN; SELECT tapline.lock_presence(); COMMIT")
    }

    @Test func `an export that fails leaves the last one published`() throws {
        let fair = try Fair()
        let first = try fair.export()
        // Found at the end of the reading, when the file is half made.
        try fair.connection.execute("ALTER TABLE tapline.scanners RENAME COLUMN gate_id TO other")
        #expect(throws: (any Error).self) { try fair.export() }
        #expect(try fair.check() == first)
        try fair.connection.execute("ALTER TABLE tapline.scanners RENAME COLUMN other TO gate_id")
        #expect(try fair.export().version > first.version)
        #expect(try Files.list(fair.out).allSatisfy { !$0.hasPrefix(".building") })
    }

    @Test func `an export that is told to stop leaves the last one published`() throws {
        let fair = try Fair()
        let first = try fair.export()
        let stop = StopSignal()
        stop.stop()
        let export = SnapshotExport(databaseURL: fair.database.url, fair.settings)
        #expect(try #require(throws: ProgramError.self) { try export.run(stop) }.code == .failed)
        #expect(try fair.check() == first)
    }

    @Test func `what cannot be exported is told apart`() throws {
        func code(_ body: () throws -> Void) throws -> ExitCode {
            try #require(throws: ProgramError.self) { try body() }.code
        }
        let nameless = try Fair(event: nil)
        #expect(try code { _ = try nameless.export() } == .configuration)
        nameless.settings.event = "Given"
        #expect(try nameless.export().event == "Given")
        let fair = try Fair()
        fair.settings.event = "Other"
        #expect(try code { _ = try fair.export() } == .configuration)
        fair.settings.event = nil
        let bare = try TestDatabase()
        #expect(
            try code { _ = try SnapshotExport(databaseURL: bare.url, fair.settings).run() } == .configuration)
        let nowhere = "postgresql://x@127.0.0.1:1/x"
        #expect(try code { _ = try SnapshotExport(databaseURL: nowhere, fair.settings).run() } == .unreachable)
        try fair.connection.execute("DELETE FROM tapline.tags")
        #expect(try fair.export().attendees == 0)
        fair.settings.allowEmpty = false
        #expect(try code { _ = try fair.export() } == .failed)
    }

    /// SIGKILL at any moment of a real export.
    @Test func `a killed export leaves a whole snapshot published`() throws {
        let fair = try Fair()
        try fair.connection.execute(
            "INSERT INTO tapline.tags SELECT i * 1000003, 1 + i % 4 FROM generate_series(1, 30000::bigint) AS i")
        try Files.writeAtomically(Array(try fair.key.file().utf8), to: fair.folder.file("k.key"), mode: 0o600)
        var last = try fair.export()
        let errors = fair.folder.file("errors")
        for step in 0..<12 {
            let child = try ChildProcess(
                Package.binaries + "/tapline-snapshot",
                [
                    "export", "--database-url", fair.database.url, "--out", fair.out, "--signing-key",
                    fair.folder.file("k.key"),
                ], output: .null, errors: errors)
            // A pace to spread the kills over the export, not a wait for anything.
            usleep(UInt32(step) * 60_000)
            child.kill()
            let now = try fair.check()
            #expect(now.version >= last.version)
            last = now
        }
        #expect(try fair.export().version > last.version)
    }
}

@Suite struct NightlyExportTests {
    @Test(arguments: ["", "3:00", "24:00", "03:60", "0300", "03:00:00", "-1:00", "+3:00", "03:0 "])
    func `a time that is none is refused`(time: String) throws {
        let settings = SnapshotExport.Settings(folder: "/nowhere", key: try MinisignSecretKey.generate())
        #expect(throws: ProgramError.self) { try NightlyExport(databaseURL: "", settings, at: time) }
    }

    @Test func `the night's time is the event's local time`() throws {
        let fair = try Fair()
        let schedule = try NightlyExport(databaseURL: fair.database.url, fair.settings, at: "03:00").schedule()
        let now = SystemClock.nowMicroseconds() / 1_000_000
        #expect(schedule.previousS <= now && now < schedule.nextS)
        #expect((23 * 3_600...25 * 3_600).contains(schedule.nextS - schedule.previousS))
        for instant in [schedule.previousS, schedule.nextS] {
            let local = try fair.rows(
                "SELECT to_char(to_timestamp(\(instant)) AT TIME ZONE 'Australia/Lord_Howe', 'HH24:MI:SS')")
            #expect(local == ["03:00:00"])
        }
    }

    @Test func `it exports what is owed, once`() throws {
        let fair = try Fair()
        let nightly = try NightlyExport(databaseURL: fair.database.url, fair.settings, at: "03:00")
        let schedule = try nightly.schedule()
        let first = try #require(try nightly.exportIfDue(schedule))
        #expect(try nightly.exportIfDue(schedule) == nil)
        // A night later.
        let tomorrow = NightlyExport.Schedule(previousS: first.created + 1, nextS: first.created + 86_400)
        let second = try #require(try nightly.exportIfDue(tomorrow))
        #expect(second.version > first.version)
        // A crash between the two renames left another manifest's signature.
        try Files.writeAtomically([1], to: fair.out + "/manifest.json.minisig")
        let third = try #require(try nightly.exportIfDue(schedule))
        #expect(try fair.check() == third)
        // Somebody removed the file.
        try Files.remove(fair.out + "/" + third.file)
        #expect(try nightly.exportIfDue(schedule) != nil)
    }

    @Test func `the service exports when it starts, survives a database that is away, and stops at once`() throws {
        let fair = try Fair()
        let nowhere = try NightlyExport(databaseURL: "postgresql://x@127.0.0.1:1/x", fair.settings, at: "03:00")
        let nightly = try NightlyExport(databaseURL: fair.database.url, fair.settings, at: "03:00")
        let (stop, ended) = (StopSignal(), Mailbox<Int>(capacity: 2))
        for (number, service) in [nowhere, nightly].enumerated() {
            PlainThread("nightly-\(number)") {
                service.run(stop)
                ended.send(number)
            }
        }
        let deadline = SystemClock.monotonicMs() + 20_000
        while (try? fair.check()) == nil, SystemClock.monotonicMs() < deadline { usleep(20_000) }
        _ = try fair.check()
        stop.stop()
        var done: Set<Int> = []
        while done.count < 2, SystemClock.monotonicMs() < deadline { done.formUnion(ended.receive(timeoutMs: 1_000)) }
        #expect(done == [0, 1])
    }

    @Test func `before anybody is registered it waits`() throws {
        let fair = try Fair()
        try fair.connection.execute("DELETE FROM tapline.tags")
        let nightly = try NightlyExport(databaseURL: fair.database.url, fair.settings, at: "03:00")
        let schedule = try nightly.schedule()
        #expect(throws: ProgramError.self) { try nightly.exportIfDue(schedule) }
        #expect(!Files.exists(fair.out + "/manifest.json"))
    }
}
