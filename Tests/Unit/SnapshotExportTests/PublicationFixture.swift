import Crypto
import FileSystem
import Minisign
import SQLite
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport

@testable import SnapshotExport

/// A registration list that changes, and the folder that it is published in.
final class PublicationFixture {
    let folder = TemporaryFolder("exporting")
    let key: MinisignSecretKey
    let out: PublishedFolder
    var random: TestRandom
    var tags: [Int64: Attendee] = [:]
    var passes: [Int64: String] = [1: "crew"]
    var version: Int64 = 1_800_000_000
    var deltas = 6
    /// A copy of each published file, by version.
    private(set) var kept: [Int64: String] = [:]

    init(seed: UInt64, tags count: Int) throws {
        random = TestRandom(seed: seed)
        key = try MinisignSecretKey.generate()
        out = PublishedFolder(path: try folder.folder("out"))
        for _ in 0..<count { add() }
    }

    func add() {
        let person = Int64.random(in: 1...2_000_000, using: &random)
        tags[Int64.random(in: .min ... .max, using: &random)] = Attendee(status: .active, pass: 1, attendee: person)
    }

    func revoke(_ tag: Int64) {
        guard let was = tags[tag] else { return }
        tags[tag] = Attendee(status: .lost, pass: was.pass, attendee: was.attendee)
    }

    /// Makes a few random changes.
    func change() {
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            guard let tag = tags.keys.sorted().randomElement(using: &random), let was = tags[tag] else { return add() }
            switch Int.random(in: 0...4, using: &random) {
            case 0: add()
            case 1: tags[tag] = nil
            case 2: revoke(tag)
            case 3: passes[Int64.random(in: 1...5, using: &random)] = "pass \(Int.random(in: 0...9, using: &random))"
            default: tags[tag] = Attendee(status: .active, pass: 1, attendee: was.attendee)
            }
        }
    }

    /// Writes the file of an export, and returns its manifest without compressed file and deltas.
    func build() throws -> Manifest {
        version += 1
        let writer = try SnapshotWriter(path: out.building)
        for (tag, attendee) in tags.sorted(by: { $0.key < $1.key }) { try writer.add(TagID(rawValue: tag), attendee) }
        for (id, name) in passes.sorted(by: { $0.key < $1.key }) { try writer.addPass(id: id, name: name) }
        try writer.finish(event: "Fair", version: version, createdS: version, expiresS: version + 86_400)
        return try Manifest(describing: out.building)
    }

    @discardableResult
    func publish() throws -> Manifest {
        let made = try build()
        let manifest = try out.package(made, after: out.published(trusting: key.publicKey), deltas: deltas)
        try out.publish(manifest, key: key)
        kept[version] = folder.file("kept-\(version)")
        try Files.copy(out.path + "/" + manifest.file, to: folder.file("kept-\(version)"))
        return manifest
    }

    /// Returns the content hash after the delta was applied to a copy of its source file.
    func content(after delta: Manifest.Delta) throws -> String? {
        guard let file = kept[delta.from] else { return nil }
        let copy = folder.file("copy")
        try Files.remove(copy)
        try Files.copy(file, to: copy)
        do { try Database(copy, .readWrite).apply(Files.read(out.path + "/" + delta.file)) }
        return try SnapshotContent.hash(path: copy)
    }
}
