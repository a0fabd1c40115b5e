import FakeCenter
import FileSystem
import Minisign
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport

@testable import SnapshotDownload

/// One scanner's data folder, a download into it, and what a gate would do with it.
final class DownloadRig {
    let center: TestCenter
    let scanner = TemporaryFolder("scanner")
    let watch: SnapshotReloader
    private let urls: [String]
    private var snapshot: Snapshot?

    /// - Parameter urls: nil: the center's.
    init(_ center: TestCenter, urls: [String]? = nil) {
        self.center = center
        self.urls = urls ?? [center.url]
        watch = SnapshotReloader(SnapshotStore(folder: scanner.file("snapshots")))
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

    /// The error of a fetch that has to fail, as it is told.
    func refusal(_ download: Download? = nil) throws -> DownloadError {
        do {
            let outcome = try (download ?? self.download()).fetch()
            throw TestFailure("it was taken: \(outcome)")
        } catch let error as DownloadError { return error }
    }

    /// What a gate answers for one of the people: it looks for a new snapshot as a gate does, between two taps.
    func decides(_ person: Int) throws -> (version: Int64, status: Attendee.Status?) {
        watch.check()
        if let next = watch.take() { snapshot = next }
        guard let snapshot else { throw TestFailure("the gate has no snapshot") }
        return (snapshot.version, try snapshot.attendee(TestCenter.tag(person))?.status)
    }

    /// Names in the folder of snapshots that belong to a journey.
    var leftovers: [String] {
        ((try? Files.list(scanner.file("snapshots"))) ?? []).filter { $0.hasPrefix("download-") }
    }
}
