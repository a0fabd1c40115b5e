import ErrorModel
import FakeCenter
import FileSystem
import HTTPServer
import Runtime
import SQLite
import SnapshotDownload
import Snapshots
import TestSupport
import Testing

@testable import SnapshotInstall

/// Installation by a delta, and the fallback to the full file for each kind of unusable delta.
@Suite struct DeltaDownloadTests {
    let center: TestCenter
    let rig: DownloadFixture
    /// Enough people that the full file is far larger than a delta.
    static let people = 400

    init() throws {
        center = try TestCenter()
        rig = DownloadFixture(center)
        try center.publish(version: 7, people: Self.people)
        #expect(try rig.download().fetch() == .installed(version: 7))
        #expect(try rig.gateAnswer(3) == (7, .active))
    }

    private func publish8(
        deltas: [Int64] = [7], hasMeta: Bool = true, _ change: (inout Manifest) throws -> Void = { _ in }
    ) throws -> Manifest {
        try center.publish(
            version: 8, people: Self.people, lost: [3], deltas: deltas, hasMeta: hasMeta, change: change)
    }

    /// Expects that version 8 is installed with the rows of its manifest, and that a gate rejects the lost tag.
    private func expect8(_ manifest: Manifest, _ location: SourceLocation = #_sourceLocation) throws {
        #expect(try rig.gateAnswer(3) == (8, .lost), sourceLocation: location)
        let path = try #require(rig.store.current(), sourceLocation: location)
        #expect(try SnapshotContent.hash(path: path) == manifest.content, sourceLocation: location)
        #expect(rig.leftovers == [], sourceLocation: location)
    }

    @Test(arguments: [true, false]) func revocationArrivesAsSmallDelta(hasMeta: Bool) throws {
        let manifest = try publish8(hasMeta: hasMeta)
        let delta = try #require(manifest.deltas?.first)
        #expect(delta.size < 1_000)
        let before = center.requests.count
        let download = rig.download()
        #expect(try download.fetch() == .installed(version: 8))
        #expect(center.asked(since: before) == [Manifest.fileName, Manifest.signatureFileName, delta.file])
        try expect8(manifest)
        // Its bytes differ from those of the full file. It counts as intact here and in another process.
        #expect(try Files.sha256Hex(#require(rig.store.current())) != manifest.sha256)
        #expect(try download.fetch() == .newest(version: 8))
        #expect(try rig.download().fetch() == .newest(version: 8))
        // The rows of `meta` are those of the manifest, with or without them in the delta.
        #expect(rig.store.installed() == manifest)
    }

    @Test func deltasApplyToResultsOfDeltas() throws {
        var lost: Set<Int> = [3]
        for version: Int64 in 8...20 {
            lost.insert(Int(version) * 5)
            let manifest = try center.publish(
                version: version, people: Self.people, lost: lost, deltas: [version - 1], hasMeta: version % 2 == 0)
            try Files.remove(center.folder.file(manifest.file))
            try Files.remove(center.folder.file(manifest.file + ".gz"))
            #expect(try rig.download().fetch() == .installed(version: version))
            #expect(try rig.gateAnswer(Int(version) * 5) == (version, .lost))
            // The center makes the next delta from this file.
            try center.write(center.folder.file(manifest.file), version: version, people: Self.people, lost: lost)
        }
    }

    @Test func fullFileIsUsedWithoutMatchingDelta() throws {
        let manifest = try publish8(deltas: [])
        let before = center.requests.count
        #expect(try rig.download().fetch() == .installed(version: 8))
        #expect(center.asked(since: before).last == manifest.compressed?.file)
        try expect8(manifest)
    }

    /// Expects that an unusable delta is tried once. Then the full file is downloaded, and the next checks download
    /// only it.
    private func expectFallback(_ manifest: Manifest, triesDelta: Bool = true) throws {
        let delta = try #require(manifest.deltas?.first)
        let full = try #require(manifest.compressed)
        // Nothing changes while the full file is unavailable.
        center.answer(full.file, [.text("busy", status: 503)])
        let download = rig.download()
        let before = center.requests.count
        #expect(try rig.fetchFailure(download).category == .unavailable)
        #expect(try rig.fetchFailure(download).category == .unavailable)
        #expect(try rig.gateAnswer(3) == (7, .active))
        #expect(center.asked(since: before).filter { $0 == delta.file }.count == (triesDelta ? 1 : 0))
        center.answer(full.file, [])
        #expect(try download.fetch() == .installed(version: 8))
        try expect8(manifest)
    }

    @Test func deltaWithOtherBytesIsNotParsed() throws {
        let manifest = try publish8()
        let delta = try #require(manifest.deltas?.first)
        // The length is right. Bytes like these made SQLite read beyond its buffer (CVE-2023-7104).
        center.answer(
            delta.file, bytes: [0x54, 0xff, 0xff, 0xff] + [UInt8](repeating: 0xff, count: Int(delta.size) - 4))
        try expectFallback(manifest)
    }

    @Test func truncatedDeltaFallsBackToFullFile() throws {
        let manifest = try publish8()
        let delta = try #require(manifest.deltas?.first)
        center.answer(delta.file, bytes: try center.bytes(delta.file).dropLast())
        try expectFallback(manifest)
    }

    @Test func extendedDeltaFallsBackToFullFile() throws {
        let manifest = try publish8()
        let delta = try #require(manifest.deltas?.first)
        center.answer(delta.file, bytes: try center.bytes(delta.file) + [UInt8](repeating: 0, count: 1 << 20))
        try expectFallback(manifest)
    }

    @Test func missingDeltaFallsBackToFullFile() throws {
        let manifest = try publish8()
        try Files.remove(center.folder.file(#require(manifest.deltas?.first).file))
        try expectFallback(manifest)
    }

    /// The delta is signed but was made for other rows, by a fault of the center.
    @Test func deltaForOtherRowsFallsBackToFullFile() throws {
        try center.publish(version: 6, people: Self.people, lost: [3, 4])
        let manifest = try publish8(deltas: [6]) { $0.deltas?[0].from = 7 }
        try expectFallback(manifest)
    }

    /// The delta is signed and applies, but the result has other content.
    @Test func deltaWithOtherResultFallsBackToFullFile() throws {
        try center.publish(version: 8, people: Self.people, lost: [3, 4], deltas: [7])
        let name = Manifest.Delta.fileName(from: 7, to: 8)
        let wrong = try center.bytes(name)
        let manifest = try publish8 { manifest in
            try Files.writeAtomically(wrong, to: center.folder.file(name))
            let package = try center.package(name)
            manifest.deltas = [Manifest.Delta(from: 7, file: name, size: package.size, sha256: package.sha256)]
        }
        try expectFallback(manifest)
    }

    /// The delta is signed with the right hash but is no changeset.
    @Test func signedGarbageFallsBackToFullFile() throws {
        let name = Manifest.Delta.fileName(from: 7, to: 8)
        let manifest = try publish8 { manifest in
            try Files.writeAtomically(Array("no changeset at all".utf8), to: center.folder.file(name))
            let package = try center.package(name)
            manifest.deltas = [Manifest.Delta(from: 7, file: name, size: package.size, sha256: package.sha256)]
        }
        try expectFallback(manifest)
    }

    @Test func deltaLargerThanFullFileIsNotUsed() throws {
        let manifest = try publish8 { $0.deltas?[0].size = ($0.compressed?.size ?? 0) }
        try expectFallback(manifest, triesDelta: false)
    }

    @Test func damagedCurrentFileIsNoBase() throws {
        let path = try #require(rig.store.current())
        var bytes = try Files.read(path)
        // In a value of some row: the file can be opened but has another value.
        bytes[bytes.count / 2] ^= 1
        try Files.writeAtomically(bytes, to: path)
        // The file is checked at the start, so the delta is not requested.
        try expectFallback(publish8(), triesDelta: false)
    }

    @Test func missingCurrentFileIsNoBase() throws {
        try Files.remove(#require(rig.store.current()))
        let manifest = try publish8()
        #expect(try rig.download().fetch() == .installed(version: 8))
        try expect8(manifest)
    }

    @Test func interruptedDeltaIsResumed() throws {
        // Enough changes for a delta of several tens of kilobytes.
        let lost = Set((0..<Self.people * 20).filter { $0 % 5 == 0 })
        let large = Self.people * 20
        try center.publish(version: 8, people: large)
        #expect(try rig.download().fetch() == .installed(version: 8))
        let manifest = try center.publish(version: 9, people: large, lost: lost, deltas: [8])
        let delta = try #require(manifest.deltas?.first)
        #expect(delta.size < manifest.compressed?.size ?? 0 && delta.size > 20_000)
        var link = FaultProxy.Link()
        link.bytesPerSecond = 200_000
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let download = Download(rig.settings { $0.centerURLs = ["http://127.0.0.1:\(proxy.port)"] })
        let part = rig.store.candidatePath(for: delta, of: manifest)
        let cuts = Mailbox<Result<Void, any Error>>(capacity: 1)
        NamedThread("cutter") {
            let arrival = Result {
                try eventually("a part of the delta has arrived", everyMs: 2) { Files.status(part)?.size ?? 0 > 8_000 }
            }
            proxy.cut()
            cuts.send(arrival)
        }
        #expect(try rig.fetchFailure(download).category == .unavailable)
        try #require(cuts.receive(timeoutMs: waitLimitMs).first).get()
        proxy.set { $0.bytesPerSecond = nil }
        let before = center.requests.count
        #expect(try download.fetch() == .installed(version: 9))
        #expect(center.asked(since: before).last == delta.file)
        #expect(center.requests.last?.headers["range"]?.hasPrefix("bytes=") == true)
        #expect(try rig.gateAnswer(5) == (9, .lost))
    }

    /// The rollback journal of a killed installation must not be applied to the next copy.
    @Test func hotJournalOfKilledApplyIsIgnored() throws {
        let manifest = try publish8()
        let candidate = rig.store.candidatePath(for: manifest)
        try Files.copy(#require(rig.store.current()), to: candidate)
        let database = try Database(candidate, .readWrite)
        try database.execute("PRAGMA cache_size = 1; BEGIN; UPDATE attendees SET status = 4")
        // Copied during the transaction, as after a kill.
        try Files.copy(candidate + "-journal", to: rig.scanner.file("hot"))
        try database.execute("ROLLBACK")
        try Files.copy(rig.scanner.file("hot"), to: candidate + "-journal")
        #expect(Files.status(candidate + "-journal")?.size ?? 0 > 0)
        let before = center.requests.count
        #expect(try rig.download().fetch() == .installed(version: 8))
        #expect(center.asked(since: before).last == manifest.deltas?.first?.file)
        try expect8(manifest)
    }

    @Test func deltaInstallationFailsWhileLockIsHeld() throws {
        _ = try publish8()
        let lock = try FileLock(rig.store.folder + "/install.lock")
        #expect(try rig.fetchFailure().category == .configuration)
        withExtendedLifetime(lock) {}
        #expect(rig.version == 7)
    }
}
