import ErrorModel
import FileSystem
import Glibc
import LinuxSystem
import Postgres
import Runtime
import ScanModel
import Snapshots
import TestSupport
import Testing
import Tracking

@testable import Minisign
@testable import SnapshotExport
@testable import SnapshotInstall

@Suite struct SnapshotExportTests {
    @Test func snapshotHasContentOfRegistry() throws {
        let fair = try ExportFixture()
        let manifest = try fair.export()
        let snapshot = try fair.open(manifest)
        #expect(snapshot.event == "Fair" && manifest.event == "Fair")
        #expect(manifest.attendees == 9)
        #expect(manifest.expires - manifest.created == 48 * 3_600)
        // Lost has priority over void, and void over blocked. An attendee without a pass has pass 0.
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
        // No file of the folder contains a name of an attendee.
        for name in try Files.list(fair.out) {
            let text = String(decoding: try Files.read(fair.out + "/" + name), as: UTF8.self)
            #expect(!text.contains("Ada") && !text.contains("Secret"), "\(name)")
        }
    }

    @Test func daysFollowEventTimeZoneWithoutGap() throws {
        let fair = try ExportFixture()
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

    @Test func scannerInstallsAndMinisignVerifiesPublication() throws {
        let fair = try ExportFixture()
        let manifest = try fair.export()
        #expect(try fair.check() == manifest)
        let files = try (Files.read(fair.out + "/manifest.json"), Files.read(fair.out + "/manifest.json.minisig"))
        // Only `compressed` is optional (contract.md section 6).
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

    @Test(arguments: [Int64.max, 9_007_199_254_740_991])
    func largestVersionInDatabaseIsNoCrash(version: Int64) throws {
        let fair = try ExportFixture()
        try fair.connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
            VALUES (\(version), now(), 1, 1, repeat('0', 64), 'none')
            """)
        let error = try #require(throws: SnapshotExportError.self) { try fair.export() }
        #expect("\(error)".contains("the last version is \(version)"))
        try fair.connection.execute("DELETE FROM tapline.snapshots")
        #expect(try fair.export().version < 1 << 53)
    }

    @Test func equalListsHaveEqualContentAndRisingVersions() throws {
        let fair = try ExportFixture()
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

    @Test func versionExceedsThoseOfDatabaseAndFolder() throws {
        let fair = try ExportFixture()
        let far: Int64 = 5_000_000_000
        try fair.connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
            VALUES (\(far), now(), 0, 0, repeat('0', 64), 'x')
            """)
        #expect(try fair.export().version == far + 1)
        // A database that was restored from an older backup.
        try fair.connection.execute("DELETE FROM tapline.snapshots")
        #expect(try fair.export().version == far + 2)
    }

    @Test func oldVersionsAreRemovedAndPublishedOneStays() throws {
        let fair = try ExportFixture()
        fair.settings.keep = 3
        var versions: [Int64] = []
        for _ in 0..<5 { versions.append(try fair.export().version) }
        let kept = try Files.list(fair.out).filter { $0.hasSuffix(".sqlite") }
        #expect(kept == versions.suffix(3).map { SnapshotFileName.of($0) })
        fair.settings.keep = 1
        let last = try fair.export()
        #expect(try fair.check() == last)
    }

    @Test func exportFailsWhileAnotherRuns() throws {
        let fair = try ExportFixture()
        let first = try fair.export()
        let other = try fair.database.connect()
        try other.query("SELECT pg_advisory_lock($1)", [.int64(ExportLock.advisoryKey)])
        #expect(try #require(throws: SnapshotExportError.self) { try fair.export() }.category == .failure)
        try other.query("SELECT pg_advisory_unlock($1)", [.int64(ExportLock.advisoryKey)])
        let lock = try FileLock(fair.out + "/.export.lock")
        #expect(try #require(throws: SnapshotExportError.self) { try fair.export() }.category == .failure)
        withExtendedLifetime(lock) {}
        #expect(try fair.check() == first)
    }

    @Test func exportAndIngestDoNotBlockEachOther() throws {
        let fair = try ExportFixture()
        let ingest = try fair.database.connect()
        try ingest.execute("BEGIN; SELECT pg_advisory_xact_lock(\(TrackingStore.lockKey))")
        #expect(try fair.export() == fair.check())
        try ingest.execute("COMMIT")
        try ingest.query("SELECT pg_advisory_lock($1)", [.int64(ExportLock.advisoryKey)])
        try fair.connection.execute(
            "SET statement_timeout = '10s'; BEGIN; SELECT pg_advisory_xact_lock(\(TrackingStore.lockKey)); COMMIT")
    }

    @Test func failedExportLeavesLastSnapshotPublished() throws {
        let fair = try ExportFixture()
        let first = try fair.export()
        // The error occurs at the end of the reading, when the file is incomplete.
        try fair.connection.execute("ALTER TABLE tapline.scanners RENAME COLUMN gate_id TO other")
        #expect(throws: (any Error).self) { try fair.export() }
        #expect(try fair.check() == first)
        try fair.connection.execute("ALTER TABLE tapline.scanners RENAME COLUMN other TO gate_id")
        #expect(try fair.export().version > first.version)
        #expect(try Files.list(fair.out).allSatisfy { !$0.hasPrefix(".building") })
    }

    @Test func stoppedExportLeavesLastSnapshotPublished() throws {
        let fair = try ExportFixture()
        let first = try fair.export()
        let stop = StopSignal()
        stop.stop()
        let export = SnapshotExporter(databaseURL: fair.database.url, fair.settings)
        #expect(try #require(throws: SnapshotExportError.self) { try export.run(stop) }.category == .failure)
        #expect(try fair.check() == first)
    }

    @Test func exportErrorsHaveTheirCategories() throws {
        func code(_ body: () throws -> Void) throws -> ErrorCategory {
            try #require(throws: SnapshotExportError.self) { try body() }.category
        }
        let nameless = try ExportFixture(event: nil)
        #expect(try code { _ = try nameless.export() } == .configuration)
        nameless.settings.event = "Given"
        #expect(try nameless.export().event == "Given")
        let fair = try ExportFixture()
        fair.settings.event = "Other"
        #expect(try code { _ = try fair.export() } == .configuration)
        fair.settings.event = nil
        let bare = try TestDatabase()
        #expect(
            try code { _ = try SnapshotExporter(databaseURL: bare.url, fair.settings).run() } == .configuration)
        let nowhere = "postgresql://x@127.0.0.1:1/x"
        #expect(try code { _ = try SnapshotExporter(databaseURL: nowhere, fair.settings).run() } == .unavailable)
        try fair.connection.execute("DELETE FROM tapline.tags")
        fair.settings.allowShrink = true
        #expect(try fair.export().attendees == 0)
        fair.settings.allowEmpty = false
        #expect(try #require(throws: ExportRejection.self) { try fair.export() } == .empty)
    }

    @Test func exportToAnotherFolderIsWrittenAndNotPublished() throws {
        let fixture = try ExportFixture()
        let published = try fixture.export()
        let other = try fixture.exportElsewhere()
        #expect(other.publishedElsewhere?.count == 1)
        #expect(
            try fixture.rows("SELECT version, published_at IS NOT NULL FROM tapline.snapshots ORDER BY version") == [
                "\(published.version)|t", "\(other.manifest.version)|f",
            ])
        #expect(try fixture.rows("SELECT tapline_internal.published_version()") == ["\(published.version)"])
        let next = try fixture.export()
        #expect(try fixture.rows("SELECT tapline_internal.published_version()") == ["\(next.version)"])
        // A center that serves the other folder makes it the published one.
        try fixture.connection.query(
            "SELECT tapline_internal.center_is_alive('1/1', true, $1)",
            [.text(Files.canonicalPath(fixture.folder.file("stick")))])
        #expect(try fixture.exportElsewhere().publishedElsewhere == nil)
    }
}
