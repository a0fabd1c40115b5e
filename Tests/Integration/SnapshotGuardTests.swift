import DeviceEmulation
import FileSystem
import Glibc
import LinuxSystem
import Postgres
import SQLite
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

/// A failed export, or an incomplete list, must not replace the last snapshot.
@Suite struct SnapshotGuardTests {
    private func export(_ fair: ExportFixture, _ arguments: String...) throws -> Run {
        try Run.it("tapline-snapshot", command(fair) + arguments)
    }

    private func command(_ fair: ExportFixture) throws -> [String] {
        let key = fair.folder.file("k.key")
        if !Files.exists(key) { try Files.writeAtomically(Array(try fair.key.file().utf8), to: key, mode: 0o600) }
        return ["export", "--database-url", fair.database.url, "--out", fair.out, "--signing-key", key]
    }

    private func fill(_ fair: ExportFixture, tags: Int) throws {
        try fair.connection.execute(
            "INSERT INTO tapline.tags SELECT i * 1000003, 1 + i % 4 FROM generate_series(1, \(tags)::bigint) AS i")
    }

    @Test func shrunkListNeedsPermission() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 91)
        let first = try fair.export()
        #expect(first.attendees == 100)
        try fair.connection.execute(
            "DELETE FROM tapline.tags WHERE tag_id IN (1000003, 2000006, 3000009, 4000012, 5000015)")
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id BETWEEN 6000018 AND 10000030")
        #expect(try fair.export().attendees == 90)
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id > 70000000 AND tag_id < 9000000000")
        let refused = try export(fair)
        #expect(refused.end == .exit(1))
        #expect(refused.errors.contains("--allow-shrink"), "\(refused.errors)")
        let before = try fair.check()
        #expect(before.attendees == 90)
        #expect(
            try Files.list(fair.out).allSatisfy {
                !$0.hasPrefix("snapshot-") || $0.contains("\(before.version)") || $0.contains("\(first.version)")
            })
        #expect(try export(fair, "--allow-shrink").end == .exit(0))
        let after = try fair.check()
        #expect(after.attendees < 81)
        // The next lists are compared with this one.
        #expect(try fair.export().attendees == after.attendees)
    }

    @Test func otherSigningKeyOfAFolderGivesAWarning() throws {
        let fair = try ExportFixture()
        let warning = "the snapshot in the folder was not signed with this key"
        let first = try export(fair)
        #expect(first.end == .exit(0) && !first.errors.contains(warning), "\(first.errors)")
        #expect(try !export(fair).errors.contains(warning))
        let other = fair.folder.file("other.key")
        try Files.writeAtomically(Array(try MinisignSecretKey.generate().file().utf8), to: other, mode: 0o600)
        let second = try Run.it(
            "tapline-snapshot",
            ["export", "--database-url", fair.database.url, "--out", fair.out, "--signing-key", other])
        #expect(second.end == .exit(0) && second.errors.contains(warning), "\(second.errors)")
    }

    @Test func shrinkIsMeasuredByDatabaseForNewFolder() throws {
        let fair = try ExportFixture()
        _ = try fair.export()
        fair.settings.folder = fair.folder.file("other")
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id < 30")
        let refusal = try #require(throws: ExportRejection.self) { try fair.export() }
        guard case .shrunk(let attendees, let last, _) = refusal else { throw TestFailure("\(refusal)") }
        #expect(attendees == 4 && last == 9)
        // Also by the folder, if the database was restored from an older backup.
        fair.settings.folder = fair.folder.file("out")
        try fair.connection.execute("DELETE FROM tapline.snapshots")
        #expect(throws: ExportRejection.self) { try fair.export() }
    }

    @Test func gradualShrinkIsRejected() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 91)
        let first = try fair.export()
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id BETWEEN 1000003 AND 6000018")
        #expect(try fair.export().attendees == 94)
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id BETWEEN 7000021 AND 12000036")
        #expect(
            try #require(throws: ExportRejection.self) { try fair.export() }
                == .shrunk(attendees: 88, last: 100, lastVersion: first.version))
        // A day later the comparison ignores that version.
        try fair.connection.execute(
            "UPDATE tapline.snapshots SET created_at = created_at - interval '25 hours' WHERE version = \(first.version)"
        )
        #expect(try fair.export().attendees == 88)
        // The last version counts at any age.
        try fair.connection.execute(
            "UPDATE tapline.snapshots SET created_at = created_at - interval '25 hours', version = version - 90000")
        for name in try Files.list(fair.out) { try Files.remove(fair.out + "/" + name) }
        try fair.connection.execute("DELETE FROM tapline.tags WHERE tag_id BETWEEN 13000039 AND 30000090")
        #expect(throws: ExportRejection.self) { try fair.export() }
        fair.settings.allowShrink = true
        #expect(try fair.export().attendees == 70)
        fair.settings.allowShrink = false
        #expect(try fair.export().attendees == 70)
    }

    @Test func manyVoidTagsNeedPermission() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 200)
        let first = try fair.export()
        try fair.connection.execute("UPDATE tapline.tags SET status = 'void' WHERE tag_id > 1000")
        #expect(
            try #require(throws: ExportRejection.self) { try fair.export() }
                == .fewerActive(active: 2, last: 102, lastVersion: first.version))
        #expect(try export(fair).errors.contains("--allow-shrink"))
        #expect(try fair.check() == first)
        #expect(try export(fair, "--allow-shrink").end == .exit(0))
        // The next lists are compared with this one.
        #expect(try fair.export().content != first.content)
    }

    @Test func equalListsGiveEqualBytesExceptVersionAndTimes() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 20_000)
        let (first, second) = (try fair.export(), try fair.export())
        #expect(first.version != second.version && first.content == second.content)
        func bytes(_ manifest: Manifest) throws -> [UInt8] {
            let copy = fair.folder.file("\(manifest.version)")
            try Files.copy(fair.out + "/" + manifest.file, to: copy)
            try Database(copy, .readWrite).execute(
                "UPDATE meta SET value = '0000000000' WHERE key IN ('version', 'created', 'expires')")
            return try Files.read(copy)
        }
        #expect(try bytes(first) == bytes(second))
        // The order of rows in the heap does not matter.
        try fair.connection.execute(
            "CLUSTER tapline.tags USING tags_attendee; UPDATE tapline.attendees SET name = name")
        #expect(try bytes(fair.export()) == bytes(first))
    }

    @Test func deltasExistFromEachOfLastVersions() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 3_000)
        try fair.connection.execute("UPDATE tapline.tags SET attendee_id = 1 WHERE tag_id > 1000")
        fair.settings.deltas = 2
        var versions: [Manifest] = []
        for status in ["active", "blocked", "void", "active"] {
            try fair.connection.execute("UPDATE tapline.attendees SET status = '\(status)' WHERE id = 4")
            try fair.connection.query(
                "UPDATE tapline.tags SET status = 'lost' WHERE tag_id = $1",
                [.int64(1_000_003 * Int64(versions.count + 1))])
            versions.append(try fair.export())
        }
        let last = try #require(versions.last)
        #expect(last.deltas?.map(\.from) == [versions[2].version, versions[1].version])
        for delta in last.deltas ?? [] {
            let copy = fair.folder.file("copy-\(delta.from)")
            try Files.copy(fair.out + "/" + SnapshotFileName.of(delta.from), to: copy)
            try Database(copy, .readWrite).apply(Files.read(fair.out + "/" + delta.file))
            let snapshot = try Snapshot(path: copy)
            #expect(snapshot.version == last.version && snapshot.createdS == last.created)
            #expect(try SnapshotContent.hash(path: copy) == last.content)
        }
        #expect(try fair.check() == last)
        let none = try export(fair, "--deltas", "0", "--output", "json")
        #expect(none.lines.joined().contains(#""deltas" : ["#))
        #expect(try fair.check().deltas == [])
        #expect(try export(fair, "--deltas", "101").end == .exit(78))
    }

    /// SIGKILL at a random moment of an export.
    @Test func killedExportLeavesCompleteSnapshotPublished() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 30_000)
        var last = try fair.export()
        let (arguments, errors) = (try command(fair), fair.folder.file("errors"))
        let began = SystemClock.monotonicMs()
        #expect(try export(fair).end == .exit(0))
        let wholeMs = max(1, SystemClock.monotonicMs() - began)
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 0...99_999)
        var (random, killed) = (TestRandom(seed: seed), 0)
        for step in TestRandom.seeds(15, of: 30) {
            // The list changes, so that deltas are written, too.
            try fair.connection.execute(
                "UPDATE tapline.tags SET status = 'void' WHERE tag_id = \(1_000_003 * step)")
            let child = try ChildProcess(Package.program("tapline-snapshot"), arguments, output: .null, errors: errors)
            // Spreads the kills over the export. It is not a wait for a condition.
            usleep(UInt32.random(in: 0...UInt32(wholeMs) * 1_200, using: &random))
            if child.end == nil { killed += 1 }
            child.kill()
            // A scanner retries if manifest and signature do not match; the center repairs them.
            PublishedFolder(path: fair.out).repair(trusting: fair.key.publicKey)
            let now = try fair.check()
            #expect(now.version >= last.version, "seed \(seed)")
            last = now
        }
        #expect(killed > 3, "seed \(seed)")
        #expect(try fair.export().version > last.version)
        #expect(try Files.list(fair.out).allSatisfy { !$0.hasPrefix(".building") })
    }

    @Test func progressIsShownOnlyOnTerminal() throws {
        let fair = try ExportFixture()
        try fill(fair, tags: 5_000)
        let quiet = try export(fair)
        #expect(quiet.end == .exit(0) && !quiet.errors.contains("reading"), "\(quiet.errors)")
        let terminal = try PseudoTerminal()
        let child = try ChildProcess(
            Package.program("tapline-snapshot"), try command(fair), output: .null, errors: terminal.path)
        var bytes: [UInt8] = []
        while child.end == nil { bytes += terminal.read(timeoutMs: 20) }
        bytes += terminal.read(timeoutMs: 0)
        let shown = String(decoding: bytes, as: UTF8.self)
        #expect(child.end == .exit(0), "\(shown)")
        #expect(shown.contains("\rreading: "), "\(shown)")
        #expect(shown.contains(" bytes\u{1B}[K"), "\(shown)")
        // The line is cleared before other output.
        #expect(shown.contains("\r\u{1B}[K"), "\(shown)")
    }
}
