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

/// Several sources, several versions, and whose turn it is.
@Suite struct MirrorTests {
    let center: TestCenter
    let mirror: TestCenter

    init() throws {
        center = try TestCenter()
        mirror = try TestCenter(key: center.key)
    }

    /// The mirror has what the center has.
    private func copy() throws {
        for name in try Files.list(center.folder.path) {
            try Files.copy(center.folder.file(name), to: mirror.folder.file(name))
        }
    }

    @Test func theFirstThatHasSomethingGoodServes() throws {
        try center.publish(version: 7)
        try copy()
        let rig = DownloadRig(center, urls: ["http://127.0.0.1:1", mirror.url + "/", center.url])
        let download = rig.download()
        #expect(try download.fetch() == .installed(version: 7))
        #expect(center.asked() == [Manifest.fileName, Manifest.signatureFileName])
        // A mirror that somebody took over.
        try mirror.publish(version: 9, signedBy: try MinisignSecretKey.generate())
        try center.publish(version: 8, lost: [2])
        #expect(try download.fetch() == .installed(version: 8))
        #expect(try rig.decides(2) == (8, .lost))
        // One that holds back, and one that stands still: that is no reason to stop asking.
        try mirror.publish(version: 6)
        try center.publish(version: 10)
        #expect(try download.fetch() == .installed(version: 10))
        try copy()
        #expect(try download.fetch() == .newest(version: 10))
        try center.publish(version: 11)
        #expect(try download.fetch() == .installed(version: 11))
    }

    @Test func whenNoneIsGoodAllAreNamed() throws {
        try center.publish(version: 7)
        let dead = DownloadRig(center, urls: ["http://127.0.0.1:1", "http://127.0.0.1:2"])
        let error = try dead.refusal()
        #expect(error.category == .unavailable)
        #expect("\(error)".contains("127.0.0.1:1/") && "\(error)".contains("127.0.0.1:2/"))
        let mixed = DownloadRig(center, urls: ["http://127.0.0.1:1", mirror.url])
        #expect(try mixed.refusal().category == .failure)
    }

    @Test func whatOneHasBegunTheOtherContinues() throws {
        let manifest = try center.publish(version: 7, people: 20_000)
        try copy()
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: mirror.port, link)
        defer { proxy.end() }
        let rig = DownloadRig(center, urls: ["http://127.0.0.1:\(proxy.port)", center.url])
        #expect(try rig.download().fetch() == .installed(version: 7))
        let file = try #require(manifest.compressed).file
        let request = try #require(center.requests.last { $0.path.hasSuffix(file) })
        #expect(request.headers["range"] != nil && request.headers["if-range"] == nil)
    }

    // MARK: Newer versions on the way

    /// On a slow link versions come faster than files: what was begun is brought to its end, and a delta leads on.
    @Test func whatWasBegunIsBroughtToItsEnd() throws {
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = DownloadRig(center, urls: ["http://127.0.0.1:\(proxy.port)"])
        let download = rig.download()
        try center.publish(version: 7, people: 20_000)
        #expect(try rig.refusal(download).category == .unavailable)
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
        #expect(try rig.decides(9) == (9, .lost))
    }

    @Test func whatWasBegunAndIsGoneIsDropped() throws {
        var link = FaultProxy.Link()
        link.cutAfterBytes = 100_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = DownloadRig(center, urls: ["http://127.0.0.1:\(proxy.port)"])
        let download = rig.download()
        try center.publish(version: 7, people: 20_000)
        #expect(try rig.refusal(download).category == .unavailable)
        try center.publish(version: 8, people: 20_000)
        try Files.remove(center.folder.file("snapshot-7.sqlite.gz"))
        proxy.set { $0.cutAfterBytes = nil }
        #expect(try download.fetch() == .installed(version: 8))
        #expect(rig.leftovers == [])
    }

    // MARK: Turns

    /// A list so large that a fleet must not fetch it at once; a delta of it goes all the same.
    @Test func aRunningScannerWaitsForItsTurn() throws {
        try center.publish(version: 7, people: 400)
        let rig = DownloadRig(center)
        #expect(try rig.download().fetch() == .installed(version: 7))
        try center.publish(version: 8, people: 400) { $0.compressed?.size = 500_000_000 }
        let status = PublisherStatus(folder: rig.scanner.path, scanner: "lane-1", isKept: false)
        let stop = StopSignal()
        let ended = StopSignal()
        NamedThread("download") { [settings = rig.settings { $0.intervalMs = 50 }] in
            Download(settings, status).run(stop)
            ended.stop()
        }
        try eventually("it knows of version 8 and waits") { status.report.download.due?.hasPrefix("8 at ") == true }
        #expect(rig.version == 7 && !center.asked().contains("snapshot-8.sqlite.gz"))
        let before = center.requests.count
        try center.publish(version: 9, people: 400, lost: [3], deltas: [7]) { $0.compressed?.size = 500_000_000 }
        try eventually("the delta does not wait") { rig.version == 9 }
        #expect(center.asked(since: before).contains("delta-7-9.changeset"))
        try eventually("and that is told") {
            status.report.download.installed == 9 && status.report.download.form == "delta"
                && status.report.download.due == nil
        }
        try center.publish(version: 8, people: 400)
        try eventually("an older one is told") {
            status.report.download.lastError?.hasPrefix("version 8 is offered") == true
        }
        stop.stop()
        #expect(ended.wait(ms: 3_000))
        // By hand it does not wait either: it goes for the file at once.
        try center.publish(version: 10, people: 400) { $0.compressed?.size = 500_000_000 }
        #expect("\(try rig.refusal())".contains("(size)"))
    }

    /// With two sources, of which one stands still: it must not cost the turn that was drawn for what the other has.
    @Test func aTurnIsKeptThoughOneSourceHasNothingNew() throws {
        try center.publish(version: 7, people: 400)
        try copy()
        let rig = DownloadRig(center, urls: [mirror.url, center.url])
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.fetch() == .installed(version: 7))
        // So long that no draw is zero.
        try center.publish(version: 8, people: 400) { $0.compressed?.size = 500_000_000 }
        guard case .waiting(8, let first) = try download.checkSources(stop, waitsForTurn: true) else {
            throw TestFailure("it does not wait")
        }
        for _ in 0..<5 {
            guard case .waiting(8, let next) = try download.checkSources(stop, waitsForTurn: true) else {
                throw TestFailure("it does not wait any more")
            }
            #expect((first - 60_000...first).contains(next))
        }
    }

    /// The delta of the first is spoilt, gone or faulty: it comes from the next, and no full file is waited for.
    @Test(arguments: [200, 404, 503]) func aDeltaComesFromTheSourceThatHasIt(status: Int) throws {
        try center.publish(version: 7, people: 400)
        try copy()
        let rig = DownloadRig(center, urls: [mirror.url, center.url])
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.fetch() == .installed(version: 7))
        let manifest = try center.publish(version: 8, people: 400, lost: [3], deltas: [7]) {
            $0.compressed?.size = 500_000_000
        }
        try copy()
        let delta = try #require(manifest.deltas?.first)
        mirror.answer(delta.file, [.text(String(repeating: "x", count: Int(delta.size)), status: status)])
        #expect(try download.checkSources(stop, waitsForTurn: true) == .installed(version: 8))
        #expect(try rig.decides(3) == (8, .lost))
        #expect(center.asked().contains(delta.file))
    }

    /// A bad full file is not fetched at each look: the manifest is all that is asked for.
    @Test func aFullFileThatIsRefusedIsLeftAlone() throws {
        try center.publish(version: 7, people: 400)
        let rig = DownloadRig(center)
        let download = rig.download { $0.retries = 3 }
        #expect(try download.fetch() == .installed(version: 7))
        let packed = try #require(try center.publish(version: 8, people: 400).compressed)
        center.answer(packed.file, bytes: [UInt8](repeating: 7, count: Int(packed.size)))
        let stop = StopSignal()
        for _ in 0..<3 { #expect(throws: DownloadError.self) { try download.checkSources(stop, waitsForTurn: true) } }
        #expect(center.asked().filter { $0 == packed.file }.count == 1)
        center.answer(packed.file, [])
        // By hand it goes at once.
        #expect(try download.fetch() == .installed(version: 8))
    }

    /// Its turn, a few seconds away, outlives the looks in between, although the manifest says nothing new.
    @Test func aDamagedFileIsMendedByAPatientPublisher() throws {
        try center.publish(version: 7, people: 400) { $0.compressed?.size = 500_000_000 }
        let rig = DownloadRig(center)
        #expect(try rig.download().install(from: center.folder.path) == .installed(version: 7))
        let download = rig.download()
        let stop = StopSignal()
        #expect(try download.checkSources(stop, waitsForTurn: true) == .newest(version: 7))
        let path = try #require(rig.store.current())
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 4
        try Files.writeAtomically(bytes, to: path)
        // As if an hour had passed.
        download.plan.noteFileCheck(isIntact: false, nowMs: SystemClock.monotonicMs())
        for _ in 0..<3 {
            // A turn of a few milliseconds is over at once; then it goes for the file.
            let outcome = try? download.checkSources(stop, waitsForTurn: true)
            #expect(outcome != .newest(version: 7), "it is taken for good")
            guard case .waiting(7, let ms) = outcome else { continue }
            #expect(Int64(ms) <= DownloadPlan.longestUrgentWaitMs)
        }
    }

    @Test func aFileInForceThatGotDamagedIsFetchedAgain() throws {
        try center.publish(version: 7, deltas: [])
        let rig = DownloadRig(center)
        #expect(try rig.download().fetch() == .installed(version: 7))
        let path = try #require(rig.store.current())
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 4
        try Files.writeAtomically(bytes, to: path)
        #expect(try rig.download().fetch() == .installed(version: 7))
        #expect(try rig.decides(2) == (7, .active))
        #expect(try rig.download().fetch() == .newest(version: 7))
        #expect(rig.store.current() != path)
    }
}
