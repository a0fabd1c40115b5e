import DataFolder
import ErrorModel
import FakeCenter
import FileSystem
import LinuxSystem
import Minisign
import ScanModel
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import SnapshotDownload

/// `fetch --from`: another event key, and folders that are no copy of a snapshot.
@Suite struct FolderInstallTests {
    private let folder = TemporaryFolder("folder-install")
    private let key: MinisignSecretKey
    private let own = EventKey([UInt8](repeating: 1, count: 32))!.fingerprint
    private let other = EventKey([UInt8](repeating: 2, count: 32))!.fingerprint

    init() throws { key = try MinisignSecretKey.generate() }

    /// Writes a copy of a snapshot, as on a USB stick.
    private func stick(_ version: Int64, _ eventKey: String) throws -> String {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        let made = try Publication(
            folder, version: version, key: key, created: nowS - 10, expires: nowS + 86_400, eventKey: eventKey)
        let path = try folder.folder("stick-\(version)")
        try Files.rename(made.file, to: path + "/" + SnapshotFileName.of(version))
        try Files.writeAtomically(made.manifest, to: path + "/" + Manifest.fileName)
        try Files.writeAtomically(made.signature, to: path + "/" + Manifest.signatureFileName)
        return path
    }

    private func install(_ path: String, refusesOtherKey: Bool = true) throws -> Download.Outcome {
        var settings = Download.Settings(folder: folder.file("data"), centerURLs: [], keys: [key.publicKey])
        (settings.retries, settings.refusesOtherKey) = (0, refusesOtherKey)
        return try Download(settings).install(from: path)
    }

    private func failure(_ path: String) throws -> DownloadError {
        do { throw TestFailure("installed: \(try install(path))") } catch let error as DownloadError { return error }
    }

    @Test func snapshotOfAnotherEventKeyIsRefused() throws {
        #expect(try install(stick(7, own)) == .installed(version: 7))
        let foreign = try stick(8, other)
        let error = try failure(foreign)
        #expect(error.isOfOtherKey && error.category == .failure)
        #expect("\(error)".contains("snapshot refused (event-key)"))
        #expect("\(error)".contains(own) && "\(error)".contains(other))
        #expect(SnapshotStore(folder: folder.file("data/snapshots")).currentVersion() == 7)
        #expect(try install(foreign, refusesOtherKey: false) == .installed(version: 8))
    }

    @Test func keyOfTheSnapshotThatTheGateUsesCounts() throws {
        #expect(try install(stick(7, own)) == .installed(version: 7))
        #expect(try install(stick(8, other), refusesOtherKey: false) == .installed(version: 8))
        try GateState(
            pid: 1, scanner: "gate-7", journal: "", reader: "stdin", software: "1", startedS: 0, snapshot: 7
        ).write(folder: folder.file("data"))
        #expect(try failure(stick(9, other)).isOfOtherKey)
        #expect(try install(stick(10, own)) == .installed(version: 10))
    }

    @Test func folderWithoutASnapshotSaysWhatIsNeeded() throws {
        let empty = try folder.folder("empty")
        let path = try stick(7, own)
        for (path, reason) in [
            (empty, "no manifest.json in this folder"), (folder.file("none"), "no such folder"),
            (path + "/" + Manifest.fileName, "it is a file: name its folder"),
        ] {
            let text = "\(try failure(path))"
            #expect(text.contains(reason) && text.contains("tapline-snapshot stick"), "\(text)")
        }
    }

    /// Returns the error of a folder whose file was replaced, and checks that nothing of it stays on the disk.
    private func refusal(
        _ path: String, replacing name: String, _ make: (String) throws -> Void
    ) throws -> DownloadError {
        try Files.remove(path + "/" + name)
        try make(path + "/" + name)
        let error = try failure(path)
        let left = ((try? Files.list(folder.file("data/snapshots"))) ?? []).filter { $0.hasPrefix("download-") }
        #expect(left == [], "\(name): \(error)")
        return error
    }

    @Test(.timeLimit(.minutes(1)), arguments: HostileFile.allCases)
    func onlyRegularFilesOfTheFolderAreRead(_ kind: HostileFile) throws {
        let good = try stick(6, own) + "/" + SnapshotFileName.of(6)
        for (index, name) in [SnapshotFileName.of(7), Manifest.fileName, Manifest.signatureFileName].enumerated() {
            let path = try stick(7, own)
            let error = try refusal(path, replacing: name) { try kind.make($0, target: good) }
            #expect("\(error)".contains("not a regular file"), "\(index): \(error)")
            try Files.removeFolder(path)
        }
    }

    @Test(.timeLimit(.minutes(1))) func sparseFileIsRefusedByItsSizeAlone() throws {
        let path = try stick(7, own)
        let name = SnapshotFileName.of(7)
        let error = try refusal(path, replacing: name) { try HostileFile.makeSparse($0) }
        #expect("\(error)".contains("snapshot refused (size)"), "\(error)")
        for name in [Manifest.fileName, Manifest.signatureFileName] {
            let path = try stick(8, own)
            let error = try refusal(path, replacing: name) { try HostileFile.makeSparse($0) }
            #expect("\(error)".contains("File too large"), "\(error)")
            try Files.removeFolder(path)
        }
    }

    @Test(.timeLimit(.minutes(1))) func sparsePackageIsNotExpanded() throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        let made = try Publication(
            folder, version: 7, key: key, created: nowS - 10, expires: nowS + 86_400, eventKey: own
        ) { $0.compressed = Manifest.Package(file: "list.gz", size: 1_000, sha256: String(repeating: "0", count: 64)) }
        let path = try folder.folder("packed")
        try Files.writeAtomically(made.manifest, to: path + "/" + Manifest.fileName)
        try Files.writeAtomically(made.signature, to: path + "/" + Manifest.signatureFileName)
        let sparse = try refusal(path, replacing: "list.gz") { try HostileFile.makeSparse($0) }
        #expect("\(sparse)".contains("snapshot refused (size)"), "\(sparse)")
        let noise = try refusal(path, replacing: "list.gz") {
            try Files.writeAtomically([UInt8](repeating: 7, count: 1_000), to: $0)
        }
        #expect("\(noise)".contains("snapshot refused (damaged)"), "\(noise)")
    }

    @Test func fullDiskKeepsItsReserveForTheJournal() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 16)
        let path = try stick(7, own)
        var settings = Download.Settings(folder: disk.path + "/data", centerURLs: [], keys: [key.publicKey])
        settings.retries = 0
        // 16 MiB are all that the disk has, and as much is kept for the journal.
        let download = Download(settings)
        let error = #expect(throws: DownloadError.self) { try download.install(from: path) }
        #expect(error.map { "\($0)" }?.contains("a reserve of \(Download.reserveBytes)") == true)
        #expect(try Files.list(disk.path + "/data/snapshots").filter { $0.hasSuffix(".sqlite") } == [])
    }

    @Test func truncatedCopySaysToCopyAgain() throws {
        let path = try stick(7, own)
        let file = path + "/" + SnapshotFileName.of(7)
        try Files.writeAtomically(Array(Files.read(file).prefix(1_000)), to: file)
        let text = "\(try failure(path))"
        #expect(text.contains("snapshot refused (size)") && text.contains("copy it again (tapline-snapshot stick)"))
    }
}
