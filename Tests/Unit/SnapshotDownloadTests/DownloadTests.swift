import ErrorModel
import FakeCenter
import FileSystem
import HTTPClient
import HTTPServer
import Minisign
import Runtime
import SnapshotDownload
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@Suite struct DownloadTests {
    private func settings(_ center: TestCenter, _ scanner: TemporaryFolder, url: String? = nil) -> Download.Settings {
        var settings = Download.Settings(
            folder: scanner.path, centerURLs: [url ?? center.url + "/"], keys: [center.key.publicKey])
        settings.retryMs = 10
        return settings
    }

    private func category(_ body: () throws -> Void) -> ErrorCategory? {
        #expect(throws: DownloadError.self) { try body() }?.category
    }

    @Test func newestSnapshotIsInstalledOnce() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        let download = Download(settings(center, scanner))
        #expect(category { _ = try download.fetch() } == .failure)
        try center.publish(version: 7)
        #expect(try download.fetch() == .installed(version: 7))
        #expect(SnapshotStore(folder: scanner.file("snapshots")).currentVersion() == 7)
        let sent = try HTTPSession().get(center.url + "/snapshot/" + Manifest.fileName, limitBytes: Manifest.maxBytes)
        let etag = try #require(sent.etag)
        let before = center.requests.count
        #expect(try download.fetch() == .newest(version: 7))
        #expect(center.requests.count == before + 1)
        #expect(center.requests.last?.headers["if-none-match"] == etag)
        try center.publish(version: 8)
        #expect(try download.fetch() == .installed(version: 8))
        // A new process does not know the ETag.
        #expect(try Download(settings(center, scanner)).fetch() == .newest(version: 8))
        // The compressed file was downloaded, and no temporary file is left.
        #expect(center.requests.contains { $0.path.hasSuffix(".gz") })
        #expect(!center.requests.contains { $0.path.hasSuffix(".sqlite") })
        #expect(try Files.list(scanner.file("snapshots")).filter { $0.hasPrefix("download-") } == [])
    }

    @Test func interruptedDownloadIsResumed() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        let manifest = try center.publish(version: 7, people: 60_000)
        var link = FaultProxy.Link()
        link.bytesPerSecond = 400_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let download = Download(settings(center, scanner, url: "http://127.0.0.1:\(proxy.port)"))
        let part = scanner.file("snapshots/download-7.gz")
        let cuts = Mailbox<Result<Void, any Error>>(capacity: 1)
        NamedThread("cutter") {
            let arrival = Result {
                try eventually("a part of the file has arrived", everyMs: 5) { Files.status(part)?.size ?? 0 > 60_000 }
            }
            proxy.cut()
            cuts.send(arrival)
        }
        #expect(category { _ = try download.fetch() } == .unavailable)
        try #require(cuts.receive(timeoutMs: waitLimitMs).first).get()
        #expect(Files.status(part)?.size ?? 0 < Int(manifest.compressed?.size ?? 0))
        proxy.set { $0.bytesPerSecond = nil }
        #expect(try download.fetch() == .installed(version: 7))
        let ranges = center.requests.filter { $0.path.hasSuffix(".gz") }.map { $0.headers["range"] }
        #expect(ranges.count == 2 && ranges[0] == nil)
        #expect(ranges[1]?.hasPrefix("bytes=") == true && ranges[1] != "bytes=0-")
    }

    /// As during a publication. The number of repetitions is limited.
    @Test func mismatchedManifestAndSignatureAreFetchedAgain() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        try center.publish(version: 6)
        let old = try Files.readText(center.folder.file(Manifest.signatureFileName))
        try center.publish(version: 7)
        let new = try Files.readText(center.folder.file(Manifest.signatureFileName))
        center.answer(Manifest.signatureFileName, [.text(old), .text(old), .text(old), .text(new)])
        #expect(try Download(settings(center, scanner)).fetch() == .installed(version: 7))
        try center.publish(version: 8)
        center.answer(Manifest.signatureFileName, [.text(old)])
        let before = center.requests.count
        #expect(category { _ = try Download(self.settings(center, scanner)).fetch() } == .failure)
        #expect(center.requests.count == before + 8)
        #expect(SnapshotStore(folder: scanner.file("snapshots")).currentVersion() == 7)
    }

    @Test func invalidSnapshotsLeaveTheInstalledOneInPlace() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        try center.publish(version: 7)
        _ = try Download(settings(center, scanner)).fetch()
        try center.publish(version: 9, signedBy: try MinisignSecretKey.generate())
        #expect(category { _ = try Download(self.settings(center, scanner)).fetch() } == .failure)
        let manifest = try center.publish(version: 10)
        center.answer(manifest.compressed!.file, [.text(String(repeating: "x", count: Int(manifest.compressed!.size)))])
        #expect(category { _ = try Download(self.settings(center, scanner)).fetch() } == .failure)
        center.answer(manifest.compressed!.file, [.text(String(repeating: "x", count: 100_000))])
        #expect(category { _ = try Download(self.settings(center, scanner)).fetch() } == .unavailable)
        center.answer(manifest.compressed!.file, [])
        #expect(SnapshotStore(folder: scanner.file("snapshots")).currentVersion() == 7)
        #expect(try Download(settings(center, scanner)).fetch() == .installed(version: 10))
        // As after the center was restored from a backup.
        try center.publish(version: 8)
        #expect(try Download(settings(center, scanner)).fetch() == .older(offered: 8, highest: 10))
    }

    @Test func unreachableOrFaultyCenterIsUnavailable() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        try center.publish(version: 7)
        #expect(
            category { _ = try Download(self.settings(center, scanner, url: "http://127.0.0.1:1")).fetch() }
                == .unavailable
        )
        center.answer(Manifest.fileName, [.text("busy", status: 503)])
        #expect(category { _ = try Download(self.settings(center, scanner)).fetch() } == .unavailable)
    }

    @Test func folderWithPlainOrCompressedFileIsInstalled() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        let download = Download(settings(center, scanner))
        #expect(category { _ = try download.install(from: center.folder.path) } == .failure)
        try center.publish(version: 7)
        #expect(try download.install(from: center.folder.path) == .installed(version: 7))
        let next = try center.publish(version: 8)
        try Files.remove(center.folder.file(next.file))
        #expect(try download.install(from: center.folder.path) == .installed(version: 8))
        #expect(try download.install(from: center.folder.path) == .newest(version: 8))
        #expect(center.requests.isEmpty)
    }

    @Test func runInstallsNewSnapshotsAndStopsPromptly() throws {
        let (center, scanner) = (try TestCenter(), TemporaryFolder())
        var settings = settings(center, scanner)
        settings.intervalMs = 50
        let (stop, ended) = (StopSignal(), StopSignal())
        NamedThread("download") { [settings] in
            Download(settings).run(stop)
            ended.stop()
        }
        let store = SnapshotStore(folder: scanner.file("snapshots"))
        try eventually("center is asked") { center.requests.count > 0 }
        try center.publish(version: 7)
        try eventually("version 7 is installed") { store.currentVersion() == 7 }
        try center.publish(version: 8)
        try eventually("version 8 is installed") { store.currentVersion() == 8 }
        stop.stop()
        #expect(ended.wait(ms: 3_000))
    }

    @Test func clientRejectsOtherSchemesAndOversizedBodies() throws {
        let center = try TestCenter()
        let client = HTTPSession()
        func kind(_ body: () throws -> Void) -> HTTPClientError.Kind? {
            do {
                try body()
                return nil
            } catch { return (error as? HTTPClientError)?.kind }
        }
        #expect(kind { _ = try client.get("file:///etc/hostname", limitBytes: 100) } == .address)
        center.answer("big", [.text(String(repeating: "x", count: 2_000))])
        #expect(kind { _ = try client.get(center.url + "/big", limitBytes: 1_000) } == .tooLarge)
        #expect(try client.get(center.url + "/big", limitBytes: 2_000).body.count == 2_000)
        center.redirect("out", to: "file:///etc/hostname")
        #expect(kind { _ = try client.get(center.url + "/out", limitBytes: 1_000) } == .address)
        center.redirect("in", to: "/big")
        #expect(try client.get(center.url + "/in", limitBytes: 2_000).body.count == 2_000)
        #expect(kind { _ = try client.get(center.url + "/in", limitBytes: 2_000, isStopped: { true }) } == .stopped)
    }
}
