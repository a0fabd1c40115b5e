import ErrorModel
import FakeCenter
import FileSystem
import HTTPServer
import LinuxSystem
import Minisign
import Snapshots
import TestSupport
import Testing

@testable import DataFolder
@testable import Runtime
@testable import SnapshotDownload
@testable import SnapshotInstall

/// Several sources, several versions, and the turns of large downloads.
@Suite struct MirrorTests {
    let center: TestCenter
    let mirror: TestCenter

    init() throws {
        center = try TestCenter()
        mirror = try TestCenter(key: center.key)
    }

    /// Copies the files of the center to the mirror.
    private func copyToMirror() throws {
        for name in try Files.list(center.folder.path) {
            try Files.copy(center.folder.file(name), to: mirror.folder.file(name))
        }
    }

    @Test func newestValidSnapshotOfAnySourceIsInstalled() throws {
        try center.publish(version: 7)
        try copyToMirror()
        let rig = DownloadFixture(center, urls: ["http://127.0.0.1:1", mirror.url + "/", center.url])
        let download = rig.download()
        #expect(try download.fetch() == .installed(version: 7))
        #expect(center.asked() == [Manifest.fileName, Manifest.signatureFileName])
        // The mirror offers a snapshot of another key.
        try mirror.publish(version: 9, signedBy: try MinisignSecretKey.generate())
        try center.publish(version: 8, lost: [2])
        #expect(try download.fetch() == .installed(version: 8))
        #expect(try rig.gateAnswer(2) == (8, .lost))
        // An outdated mirror must not hide the newest version, and is asked again.
        try mirror.publish(version: 6)
        try center.publish(version: 10)
        #expect(try download.fetch() == .installed(version: 10))
        try copyToMirror()
        #expect(try download.fetch() == .newest(version: 10))
        try center.publish(version: 11)
        #expect(try download.fetch() == .installed(version: 11))
    }

    @Test func errorNamesAllFailedSources() throws {
        try center.publish(version: 7)
        let dead = DownloadFixture(center, urls: ["http://127.0.0.1:1", "http://127.0.0.1:2"])
        let error = try dead.fetchFailure()
        #expect(error.category == .unavailable)
        #expect("\(error)".contains("127.0.0.1:1/") && "\(error)".contains("127.0.0.1:2/"))
        let mixed = DownloadFixture(center, urls: ["http://127.0.0.1:1", mirror.url])
        #expect(try mixed.fetchFailure().category == .failure)
    }

    @Test func otherSourceContinuesPartialFile() throws {
        let manifest = try center.publish(version: 7, people: 20_000)
        try copyToMirror()
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: mirror.port, link)
        defer { proxy.end() }
        let rig = DownloadFixture(center, urls: ["http://127.0.0.1:\(proxy.port)", center.url])
        #expect(try rig.download().fetch() == .installed(version: 7))
        let file = try #require(manifest.compressed).file
        let request = try #require(center.requests.last { $0.path.hasSuffix(file) })
        #expect(request.headers["range"] != nil && request.headers["if-range"] == nil)
    }

    // MARK: New versions during a download

    /// On a slow link a new version may be published before a full file is complete.
    @Test func partialFileIsFinishedAndDeltaFollows() throws {
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = DownloadFixture(center, urls: ["http://127.0.0.1:\(proxy.port)"])
        let download = rig.download()
        try center.publish(version: 7, people: 20_000)
        #expect(try rig.fetchFailure(download).category == .unavailable)
        for version: Int64 in 8...9 {
            try center.publish(version: version, people: 20_000, lost: [Int(version)], deltas: [7])
        }
        let before = center.requests.count
        proxy.set { $0.cutAfterBytes = nil }
        #expect(try download.fetch() == .installed(version: 9))
        #expect(
            center.asked(since: before) == [
                Manifest.fileName, Manifest.signatureFileName, "snapshot-7.sqlite.gz", "delta-7-9.changeset",
            ])
        #expect(try rig.gateAnswer(9) == (9, .lost))
    }

    @Test func partialFileIsDroppedIfNoLongerPublished() throws {
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = DownloadFixture(center, urls: ["http://127.0.0.1:\(proxy.port)"])
        let download = rig.download()
        try center.publish(version: 7, people: 20_000)
        #expect(try rig.fetchFailure(download).category == .unavailable)
        try center.publish(version: 8, people: 20_000)
        try Files.remove(center.folder.file("snapshot-7.sqlite.gz"))
        proxy.set { $0.cutAfterBytes = nil }
        #expect(try download.fetch() == .installed(version: 8))
        #expect(rig.leftovers == [])
    }

    // MARK: Turns

    /// The file is too large for the whole fleet to download at once.
    @Test func largeFileWaitsForTurnButDeltaDoesNot() throws {
        try center.publish(version: 7, people: 400)
        let rig = DownloadFixture(center)
        #expect(try rig.download().fetch() == .installed(version: 7))
        try center.publish(version: 8, people: 400) { $0.compressed?.size = 500_000_000 }
        let status = PublisherStatus(folder: rig.scanner.path, scanner: "lane-1", isKept: false)
        let stop = StopSignal()
        let ended = StopSignal()
        NamedThread("download") { [settings = rig.settings { $0.intervalMs = 50 }] in
            Download(settings, status).run(stop)
            ended.stop()
        }
        try eventually("version 8 is known and waits") { status.report.download.due?.hasPrefix("8 at ") == true }
        #expect(rig.version == 7 && !center.asked().contains("snapshot-8.sqlite.gz"))
        let before = center.requests.count
        try center.publish(version: 9, people: 400, lost: [3], deltas: [7]) { $0.compressed?.size = 500_000_000 }
        try eventually("delta is installed without waiting") { rig.version == 9 }
        #expect(center.asked(since: before).contains("delta-7-9.changeset"))
        try eventually("delta is reported") {
            status.report.download.installed == 9 && status.report.download.form == "delta"
                && status.report.download.due == nil
        }
        try center.publish(version: 8, people: 400)
        try eventually("older version is reported") {
            status.report.download.lastError?.hasPrefix("version 8 is offered") == true
        }
        stop.stop()
        #expect(ended.wait(ms: 3_000))
        // A single fetch does not wait. The file is smaller than the manifest says.
        try center.publish(version: 10, people: 400) { $0.compressed?.size = 500_000_000 }
        #expect("\(try rig.fetchFailure())".contains("(size)"))
    }

    /// The outdated source must not reset the turn that was drawn for the file of the other one.
    @Test func turnIsKeptIfAnotherSourceIsOutdated() throws {
        try center.publish(version: 7, people: 400)
        try copyToMirror()
        let rig = DownloadFixture(center, urls: [mirror.url, center.url])
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.fetch() == .installed(version: 7))
        // Large enough that a turn of 0 ms is practically impossible.
        try center.publish(version: 8, people: 400) { $0.compressed?.size = 500_000_000 }
        guard case .waiting(8, let first) = try download.checkSources(stop, waitsForTurn: true) else {
            throw TestFailure("no turn was drawn")
        }
        for _ in 0..<5 {
            guard case .waiting(8, let next) = try download.checkSources(stop, waitsForTurn: true) else {
                throw TestFailure("turn was lost")
            }
            #expect((first - 60_000...first).contains(next))
        }
    }

    /// The delta of the first source is damaged, missing or unavailable.
    @Test(arguments: [200, 404, 503]) func deltaComesFromNextSourceIfFirstFails(status: Int) throws {
        try center.publish(version: 7, people: 400)
        try copyToMirror()
        let rig = DownloadFixture(center, urls: [mirror.url, center.url])
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.fetch() == .installed(version: 7))
        let manifest = try center.publish(version: 8, people: 400, lost: [3], deltas: [7]) {
            $0.compressed?.size = 500_000_000
        }
        try copyToMirror()
        let delta = try #require(manifest.deltas?.first)
        mirror.answer(delta.file, [.text(String(repeating: "x", count: Int(delta.size)), status: status)])
        #expect(try download.checkSources(stop, waitsForTurn: true) == .installed(version: 8))
        #expect(try rig.gateAnswer(3) == (8, .lost))
        #expect(center.asked().contains(delta.file))
    }

    /// The checks that follow request only the manifest.
    @Test func refusedFullFileIsHeldBack() throws {
        try center.publish(version: 7, people: 400)
        let rig = DownloadFixture(center)
        let download = rig.download { $0.retries = 3 }
        #expect(try download.fetch() == .installed(version: 7))
        let packed = try #require(try center.publish(version: 8, people: 400).compressed)
        center.answer(packed.file, bytes: [UInt8](repeating: 7, count: Int(packed.size)))
        let stop = StopSignal()
        for _ in 0..<3 { #expect(throws: DownloadError.self) { try download.checkSources(stop, waitsForTurn: true) } }
        #expect(center.asked().filter { $0 == packed.file }.count == 1)
        center.answer(packed.file, [])
        // A single fetch ignores the hold.
        #expect(try download.fetch() == .installed(version: 8))
    }

    /// The turn, a few seconds away, is kept although the manifest does not change.
    @Test func damagedCurrentFileGetsAnUrgentTurn() throws {
        try center.publish(version: 7, people: 400) { $0.compressed?.size = 500_000_000 }
        let rig = DownloadFixture(center)
        #expect(try rig.download().install(from: center.folder.path) == .installed(version: 7))
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.checkSources(stop, waitsForTurn: true) == .newest(version: 7))
        let path = try #require(rig.store.current())
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 4
        try Files.writeAtomically(bytes, to: path)
        // As after an hour.
        let nowMs = SystemClock.monotonicMs()
        download.plan.noteFileCheck(isIntact: false, nowMs: nowMs)
        var latest = LatestTurn()
        _ = download.plan.waitMs(forBytes: 500_000_000, isUrgent: true, nowMs: nowMs, using: &latest)
        var waits = 0
        for _ in 0..<3 {
            // On a slow machine the turn may come during the test. Then the download starts, and fails by its size.
            let outcome = try? download.checkSources(stop, waitsForTurn: true)
            #expect(outcome != .newest(version: 7), "damaged file counts as installed")
            guard case .waiting(7, let ms) = outcome else { continue }
            #expect(Int64(ms) <= DownloadPlan.longestUrgentWaitMs)
            waits += 1
        }
        #expect(waits > 0)
    }

    @Test func damagedCurrentFileIsReplaced() throws {
        try center.publish(version: 7, deltas: [])
        let rig = DownloadFixture(center)
        #expect(try rig.download().fetch() == .installed(version: 7))
        let path = try #require(rig.store.current())
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 4
        try Files.writeAtomically(bytes, to: path)
        #expect(try rig.download().fetch() == .installed(version: 7))
        #expect(try rig.gateAnswer(2) == (7, .active))
        #expect(try rig.download().fetch() == .newest(version: 7))
        #expect(rig.store.current() != path)
    }
}

/// Draws the last turn of the window.
private struct LatestTurn: RandomNumberGenerator {
    func next() -> UInt64 { .max }
}
