import FakeCenter
import Minisign
import SnapshotInstall
import Snapshots
import TestSupport

/// A scanner's snapshot store, and publications for it that are signed by a trusted key.
protocol StoreFixture {
    var folder: TemporaryFolder { get }
    var key: MinisignSecretKey { get }
}

extension StoreFixture {
    var store: SnapshotStore { SnapshotStore(folder: folder.file("snapshots")) }
    var clock: InstallClock { InstallClock(nowS: Sample.created + 600, isSynchronised: true) }

    func published(
        _ version: Int64, event: String = Sample.event, created: Int64 = Sample.created,
        expires: Int64 = Sample.expires, extra: Int64 = 0, change: (inout Manifest) -> Void = { _ in }
    ) throws -> Publication {
        try Publication(
            folder, version: version, key: key, event: event, created: created, expires: expires, extra: extra,
            change: change)
    }

    func offer(
        _ publication: Publication, keys: [MinisignPublicKey]? = nil, clock: InstallClock? = nil
    ) throws(SnapshotRefusal) -> SnapshotOffer {
        try store.offer(
            manifest: publication.manifest, signature: publication.signature, keys: keys ?? [key.publicKey],
            clock: clock ?? self.clock)
    }

    func install(_ publication: Publication) throws {
        try store.install(offer(publication), file: publication.file)
    }

    /// Returns the reason with which `body` is refused; `nil` if it is not refused.
    func refusal(_ body: () throws -> Void) throws -> SnapshotRefusal.Reason? {
        do { try body() } catch let refusal as SnapshotRefusal { return refusal.reason }
        return nil
    }
}
