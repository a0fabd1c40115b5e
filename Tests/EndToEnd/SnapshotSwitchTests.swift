import FakeCenter
import FileSystem
import Glibc
import Runtime
import ScanJournal
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

@testable import Minisign
@testable import Snapshots

/// A real gate at which people tap without a pause, while a real publisher brings one snapshot after the other.
@Suite struct SnapshotSwitchTests {
    static let people = 3_000
    static let first: Int64 = 100
    static let last: Int64 = 106

    @Test func eachTapIsDecidedByTheOldListOrTheNew() async throws {
        try await NamedThread.run("switch") {
            let scene = try Scene()
            let (stop, ended) = (StopSignal(), StopSignal())
            let gate = scene.gate
            NamedThread("people") {
                // One after the other; the pipe holds them back while the gate is busy.
                while !stop.isStopped {
                    guard (try? gate.write("\(TestCenter.uid(Scene.band))\n")) != nil else { break }
                    stop.wait(ms: 1)
                }
                ended.stop()
            }
            for version in Self.first + 1...Self.last {
                // By a delta and by the full file in turn.
                try scene.publish(version, deltas: version % 2 == 0 ? [version - 1] : [])
                try eventually("version \(version) decides") { try scene.decidesFrom() == version }
            }
            stop.stop()
            #expect(ended.wait(ms: 10_000))
            gate.closeInput()
            #expect(try gate.wait() == .exit(0))
            try scene.checkTaps()
            let asked = scene.center.asked()
            #expect(asked.contains("delta-103-104.changeset") && asked.contains("snapshot-105.sqlite.gz"))
            #expect(!asked.contains("snapshot-104.sqlite.gz"))
            #expect(try scene.publisher.stop() == .exit(0))
        }
    }

    /// What is in force cannot be opened: the lane goes on with what it has and says so, and so does the publisher, which
    /// brings it again.
    @Test func aLaneThatCannotOpenTheNewOneStaysOnTheOld() async throws {
        try await NamedThread.run("damaged") {
            let scene = try Scene()
            #expect(try scene.tap() == "admitted")
            // The publisher sleeps, or it would mend this before anybody can see it.
            try scene.publisher.freeze()
            let bad = scene.store.folder + "/" + SnapshotFileName.of(Self.last)
            try Files.writeAtomically(Array("a sector that went bad".utf8), to: bad)
            try Files.writeAtomically(
                Array("\(SnapshotFileName.of(Self.last))\n".utf8), to: scene.store.folder + "/current")
            try eventually("the lane says so") {
                #expect(try scene.tap() == "admitted")
                let status = try Run.succeeding("tapline-gate", ["status", "--data", scene.data]).lines
                return status.contains { $0.contains("an older snapshot serves") }
            }
            #expect(try Files.readText(scene.folder.file("gate.log")).contains("snapshot cannot be opened"))
            let report = try Run.succeeding("tapline-publisher", ["status", "--data", scene.data]).lines
            #expect(report.contains { $0.hasPrefix("gate ") && $0.contains("decides from \(Self.first)") }, "\(report)")
            scene.publisher.kill(SIGCONT)
            try eventually("a good one is in force again") { scene.store.currentVersion() == Self.first }
            try eventually("and the lane knows it") {
                #expect(try scene.tap() == "admitted")
                return try !Run.succeeding("tapline-gate", ["status", "--data", scene.data]).lines
                    .contains { $0.contains("an older snapshot serves") }
            }
        }
    }

    /// One scanner with its gate and publisher, and a center.
    private final class Scene {
        /// Who holds this band has lost it in every odd version.
        static let band = 7

        let folder = TemporaryFolder("switch")
        let center: TestCenter
        let gate: ChildProcess
        let publisher: ChildProcess
        var data: String { folder.file("data") }
        var store: SnapshotStore { SnapshotStore(folder: data + "/snapshots") }

        init() throws {
            center = try TestCenter()
            let data = folder.file("data")
            try Files.writeAtomically(TestCenter.eventKey, to: folder.file("event.key"), mode: 0o600)
            let source = ["--data", data, "--center-url", center.url, "--trust-key", center.key.publicKey.base64]
            let version = SnapshotSwitchTests.first
            try center.publish(version: version, people: SnapshotSwitchTests.people)
            try Run.succeeding("tapline-publisher", ["fetch"] + source)
            publisher = try ChildProcess(
                Package.program("tapline-publisher"),
                [
                    "run", "--scanner", "north-1", "--amqp-url", "amqp://nobody:x@127.0.0.1:1/", "--snapshot-every-s",
                    "1",
                ]
                    + source, output: .null, errors: folder.file("publisher.log"))
            gate = try ChildProcess(
                Package.program("tapline-gate"),
                [
                    "run", "--data", data, "--scanner", "north-1", "--event-key-file", folder.file("event.key"),
                    "--reader", "stdin", "--output", "json",
                ], output: .file(folder.file("verdicts")), errors: folder.file("gate.log"))
        }

        func publish(_ version: Int64, deltas: [Int64]) throws {
            try center.publish(
                version: version, people: SnapshotSwitchTests.people, lost: version % 2 == 1 ? [Scene.band] : [],
                deltas: deltas)
        }

        /// The snapshot of the newest scan.
        func decidesFrom() throws -> Int64? {
            let reader = JournalReader(folder: data)
            guard let journal = try reader.journals().last else { return nil }
            return try reader.read(journal: journal.id, after: journal.lastSeq - 1, limit: 1).last?.snapshot
        }

        private func printed() throws -> [PrintedVerdict] {
            let text = (try? Files.readText(folder.file("verdicts"), limit: 64 << 20)) ?? ""
            return try text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .map { try PrintedVerdict(String($0)) }
        }

        /// What the gate answers now.
        func tap() throws -> String {
            let before = try printed().count
            try gate.write("\(TestCenter.uid(Scene.band))\n")
            try eventually("a verdict", everyMs: 5) { try printed().count == before + 1 }
            return try printed().last?.name ?? ""
        }

        /// Every tap has its verdict, in order, and it is that of the list in force when it came.
        func checkTaps() throws {
            let reader = JournalReader(folder: data)
            let journals = try reader.journals()
            let scans = try reader.read(journal: #require(journals.first).id, after: 0, limit: 1_000_000)
            let printed = try printed()
            #expect(journals.count == 1 && printed.count == scans.count && scans.count > 200)
            #expect(printed.map(\.seq) == Array(1...Int64(scans.count)))
            for (scan, verdict) in zip(scans, printed) {
                let expected = scan.snapshot % 2 == 1 ? "lost" : "admitted"
                #expect(verdict.name == expected, "seq \(verdict.seq) by \(scan.snapshot)")
            }
            let versions = scans.map(\.snapshot)
            #expect(versions == versions.sorted())
            #expect(Set(versions) == Set(SnapshotSwitchTests.first...SnapshotSwitchTests.last))
        }
    }
}
