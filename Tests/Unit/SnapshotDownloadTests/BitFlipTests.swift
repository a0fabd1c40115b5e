import FakeCenter
import FileSystem
import Snapshots
import TestSupport
import Testing

@testable import SnapshotDownload
@testable import SnapshotInstall

/// A single flipped bit in any downloaded file is never installed.
@Suite struct BitFlipTests {
    static let flips = 250
    static let people = 60

    private enum Target: CaseIterable {
        case manifest, signature, packed, plain, delta
    }

    @Test func flippedBitIsNeverInstalled() throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("flippedBitIsNeverInstalled: TAPLINE_TEST_SEED=\(seed)")
        var random = TestRandom(seed: seed)
        let center = try TestCenter()
        let old = try center.publish(version: 7, people: Self.people)
        let rig = DownloadFixture(center)
        #expect(try rig.download().fetch() == .installed(version: 7))
        // The scanner's state before each attempt.
        let saved = TemporaryFolder("saved")
        try copy(rig.scanner.path, to: saved.path)
        let new = try center.publish(version: 8, people: Self.people, lost: [3], deltas: [7])
        var withoutDelta = new
        withoutDelta.deltas = []
        var plain = withoutDelta
        plain.compressed = nil
        var outcomes: [String: Int] = [:]
        for flip in 0..<Self.flips {
            let target = Target.allCases[flip % Target.allCases.count]
            let name: String
            switch target {
            case .manifest, .delta: try center.sign(new)
            case .packed, .signature: try center.sign(withoutDelta)
            case .plain: try center.sign(plain)
            }
            switch target {
            case .manifest: name = Manifest.fileName
            case .signature: name = Manifest.signatureFileName
            case .packed: name = try #require(new.compressed).file
            case .plain: name = new.file
            case .delta: name = try #require(new.deltas?.first).file
            }
            var bytes = try center.bytes(name)
            let bit = Int.random(in: 0..<bytes.count * 8, using: &random)
            bytes[bit / 8] ^= 1 << (bit % 8)
            center.answer(name, bytes: bytes)
            let place = "seed \(seed), \(target), bit \(bit)"
            let result = try? rig.download().fetch()
            center.answer(name, [])
            let path = try #require(rig.store.current(), "\(place): no snapshot is installed")
            let content = try SnapshotContent.hash(path: path)
            #expect(content == (result == .installed(version: 8) ? new : old).content, "\(place)")
            switch target {
            case .manifest, .packed, .plain: #expect(result == nil && rig.version == 7, "\(place)")
            case .signature:
                // Its first line is a comment, and the last base64 letter may have unused bits. Then the signature is
                // still valid, and the snapshot is installed.
                #expect(result == nil || result == .installed(version: 8), "\(place)")
            case .delta: #expect(result == .installed(version: 8), "\(place): the full file is available")
            }
            // The current file can be opened and has the rows of its version.
            let answer = try Snapshot(path: path).attendee(TestCenter.tag(3))?.status
            #expect(answer == (rig.version == 8 ? .lost : .active), "\(place)")
            outcomes["\(target) \(result.map { "\($0)" } ?? "refused")", default: 0] += 1
            TemporaryFolder.remove(rig.scanner.path)
            try copy(saved.path, to: rig.scanner.path)
        }
        print("flippedBitIsNeverInstalled: \(outcomes.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" })")
    }

    private func copy(_ from: String, to path: String) throws {
        try Files.makeFolder(path)
        for name in try Files.list(from) {
            if let inner = try? Files.list(from + "/" + name), !inner.isEmpty {
                try copy(from + "/" + name, to: path + "/" + name)
            } else {
                try Files.copy(from + "/" + name, to: path + "/" + name)
            }
        }
    }
}
