import FakeCenter
import FileSystem
import Minisign
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport

@testable import SnapshotDownload

/// The data folder of one scanner, a download into it, and the answers of a gate that decides from it.
final class DownloadFixture {
    let center: TestCenter
    let scanner = TemporaryFolder("scanner")
    let reloader: SnapshotReloader
    private let urls: [String]
    private var snapshot: Snapshot?

    /// - Parameter urls: base URLs of the sources; `nil` for the center's.
    init(_ center: TestCenter, urls: [String]? = nil) {
        self.center = center
        self.urls = urls ?? [center.url]
        reloader = SnapshotReloader(SnapshotStore(folder: scanner.file("snapshots")))
    }

    var store: SnapshotStore { SnapshotStore(folder: scanner.file("snapshots")) }
    var version: Int64? { store.currentVersion() }

    func settings(keys: [MinisignPublicKey]? = nil, _ change: (inout Download.Settings) -> Void = { _ in })
        -> Download.Settings
    {
        var settings = Download.Settings(
            folder: scanner.path, centerURLs: urls, keys: keys ?? [center.key.publicKey])
        (settings.retries, settings.retryMs) = (0, 1)
        change(&settings)
        return settings
    }

    func download(keys: [MinisignPublicKey]? = nil, _ change: (inout Download.Settings) -> Void = { _ in }) -> Download
    {
        Download(settings(keys: keys, change))
    }

    /// Fetches, and returns the error.
    ///
    /// - Throws: `TestFailure` if the fetch succeeds.
    func fetchFailure(_ download: Download? = nil) throws -> DownloadError {
        do {
            let outcome = try (download ?? self.download()).fetch()
            throw TestFailure("fetch succeeded: \(outcome)")
        } catch let error as DownloadError { return error }
    }

    /// Reloads the snapshot as a gate does between two taps.
    ///
    /// - Returns: its version, and the status of a person's tag.
    func gateAnswer(_ person: Int) throws -> (version: Int64, status: Attendee.Status?) {
        reloader.check()
        if let next = reloader.nextSnapshot() { snapshot = next }
        guard let snapshot else { throw TestFailure("the gate has no snapshot") }
        return (snapshot.version, try snapshot.attendee(TestCenter.tag(person))?.status)
    }

    /// Names of the temporary files of downloads in the snapshot folder.
    var leftovers: [String] {
        ((try? Files.list(scanner.file("snapshots"))) ?? []).filter { $0.hasPrefix("download-") }
    }
}
