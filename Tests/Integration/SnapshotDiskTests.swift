import FileSystem
import Glibc
import Postgres
import Runtime
import Snapshots
import TestSupport
import Testing

@testable import Minisign
@testable import SnapshotExport

/// Exports on a full disk, and after a power cut.
@Suite struct SnapshotDiskTests {
    private func fair(on disk: SmallDisk, tags: Int) throws -> ExportFixture {
        let fair = try ExportFixture()
        fair.settings.folder = disk.path + "/out"
        try fair.connection.query(
            """
            INSERT INTO tapline.tags
            SELECT ('x' || left(md5(i::text), 16))::bit(64)::bigint, 1 + i % 4 FROM generate_series(1, $1::bigint) AS i
            """, [.int64(Int64(tags))])
        return fair
    }

    @Test func fullDiskLeavesLastSnapshotPublished() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 2)
        let fair = try fair(on: disk, tags: 10_000)
        // Five versions fit, and part of the sixth: its file, or also its compressed file.
        var last: Manifest?
        #expect(throws: (any Error).self) { for _ in 0..<100 { last = try fair.export() } }
        #expect(try fair.check() == last)
        for _ in 0..<2 {
            #expect(throws: (any Error).self) { try fair.export() }
            #expect(try fair.check() == last)
        }
        for name in try Files.list(fair.out) where name.hasPrefix("snapshot-") {
            try Files.remove(fair.out + "/" + name)
        }
        #expect(try fair.export() == fair.check())
    }

    /// `/readyz`, the metric and `status` read the health.
    @Test func fullDiskIsReportedUntilTheNextExport() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 1)
        let fair = try ExportFixture()
        fair.settings.folder = disk.path + "/out"
        var fillers: [String] = []
        for size in [64 << 10, 4 << 10] {
            let isWritten = { (path: String) in
                (try? Files.writeAtomically([UInt8](repeating: 1, count: size), to: path, durable: false)) != nil
            }
            repeat {
                fillers.append(disk.path + "/filler-\(fillers.count)")
            } while isWritten(fillers[fillers.count - 1])
        }
        let metrics = Metrics()
        let health = SnapshotHealth(metrics)
        var service = SnapshotService(databaseURL: fair.database.url, fair.settings, health: health)
        (service.plan.debounceMs, service.plan.restMs) = (100, 100...1_000)
        let running = RunningService(service.service())
        try eventually("the full disk is reported") { health.failure != nil }
        #expect(health.failure?.contains("full") == true, "\(health.failure ?? "")")
        #expect(health.problem == health.failure)
        #expect(metrics.render().contains("tapline_snapshot_export_failing 1.0\n"))
        for filler in fillers { try Files.remove(filler) }
        try eventually("the next export succeeds") { health.problem == nil }
        #expect(try fair.check().version > 0)
        #expect(metrics.render().contains("tapline_snapshot_export_failing 0.0\n"))
        try running.end()
    }

    /// Copies the disk at a random moment of an export, without unflushed data.
    @Test func powerCutLeavesCompleteSnapshotPublished() throws {
        let disk = try SmallDisk(.ext4, megabytes: 64)
        let fair = try fair(on: disk, tags: 20_000)
        var last = try fair.export()
        try Files.writeAtomically(Array(try fair.key.file().utf8), to: fair.folder.file("k.key"), mode: 0o600)
        let arguments = [
            "export", "--database-url", fair.database.url, "--out", fair.out, "--signing-key",
            fair.folder.file("k.key"),
        ]
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 0...99_999)
        var random = TestRandom(seed: seed)
        func cut() throws -> Manifest {
            let copy = try SmallDisk(copyOf: disk)
            let folder = PublishedFolder(path: copy.path + "/out")
            folder.repair(trusting: fair.key.publicKey)
            return try PublicationCheck(path: folder.path, keys: [fair.key.publicKey]).manifest
        }
        #expect(try cut() == last)
        for _ in TestRandom.seeds(4, of: 8) {
            try fair.connection.execute(
                "UPDATE tapline.tags SET status = 'void' WHERE tag_id % 50 = \(last.version % 50)")
            let child = try ChildProcess(
                Package.program("tapline-snapshot"), arguments, output: .null, errors: fair.folder.file("errors"))
            // Spreads the cuts over the export. It is not a wait for a condition.
            usleep(UInt32.random(in: 0...400_000, using: &random))
            #expect(try cut().version >= last.version, "seed \(seed)")
            #expect(try child.wait() == .exit(0), "seed \(seed)")
            let now = try fair.check()
            #expect(now.version > last.version, "seed \(seed)")
            // A reported publication is durable.
            #expect(try cut() == now, "seed \(seed)")
            last = now
        }
    }
}
