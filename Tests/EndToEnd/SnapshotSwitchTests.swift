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

/// A real gate at which people tap without a pause, while a real publisher installs one snapshot after the other.
@Suite struct SnapshotSwitchTests {
    static let people = 3_000
    static let first: Int64 = 100
    static let last: Int64 = 106

    @Test func everyTapIsDecidedByExactlyOneSnapshot() async throws {
        try await NamedThread.run("switch") {
            let scene = try Scene()
            while scene.verdicts.count < 200 { try scene.tapQueue() }
            for version in Self.first + 1...Self.last {
                // Even versions are installed by a delta, odd ones by the full file.
                try scene.publish(version, deltas: version % 2 == 0 ? [version - 1] : [])
                try eventually("the gate decides by version \(version)", everyMs: 1) {
                    try scene.tapQueue()
                    return try scene.newestScan()?.snapshot == version
                }
            }
            scene.gate.closeInput()
            #expect(try scene.gate.wait() == .exit(0))
            try scene.checkTaps()
            let asked = scene.center.asked()
            #expect(asked.contains("delta-103-104.changeset") && asked.contains("snapshot-105.sqlite.gz"))
            #expect(!asked.contains("snapshot-104.sqlite.gz"))
            #expect(try scene.publisher.stop() == .exit(0))
        }
    }

    /// The lane keeps its snapshot and reports the unreadable one. The publisher downloads it again.
    @Test func unreadableSnapshotIsReportedAndReplaced() async throws {
        try await NamedThread.run("damaged") {
            let scene = try Scene()
            #expect(try scene.tap() == "admitted")
            // The publisher is stopped, because it would replace the file immediately.
            try scene.publisher.freeze()
            let bad = scene.store.folder + "/" + SnapshotFileName.of(Self.last)
            try Files.writeAtomically(Array("unreadable sector".utf8), to: bad)
            try Files.writeAtomically(
                Array("\(SnapshotFileName.of(Self.last))\n".utf8), to: scene.store.folder + "/current")
            try eventually("the lane reports an older snapshot") {
                #expect(try scene.tap() == "admitted")
                return try scene.reportsOlderSnapshot()
            }
            #expect(try Files.readText(scene.folder.file("gate.log")).contains("snapshot cannot be opened"))
            let report = try Run.reporting("tapline-publisher", ["status", "--data", scene.data]).lines
            #expect(report.contains { $0.hasPrefix("gate ") && $0.contains("\(Self.first)") }, "\(report)")
            scene.publisher.kill(SIGCONT)
            try eventually("a readable snapshot is installed") { scene.store.currentVersion() == Self.first }
            try eventually("the lane uses the installed snapshot") {
                #expect(try scene.tap() == "admitted")
                return try !scene.reportsOlderSnapshot()
            }
        }
    }

    /// One scanner with its gate and publisher, and a center.
    private final class Scene {
        /// The number of the tapped person, whose tag is lost in every odd version.
        static let person = 7
        /// Taps that the gate finds in its queue. Few, so that a slow disk delays no step of the test for long.
        static let queueLength = 20

        let folder = TemporaryFolder("switch")
        let center: TestCenter
        let gate: ChildProcess
        let publisher: ChildProcess
        /// The printed verdicts, in order.
        private(set) var verdicts: [PrintedVerdict] = []
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
                    "run", "--scanner", "north-1", "--amqp-url", "amqp://guest:x@127.0.0.1:1/", "--snapshot-every-s",
                    "1",
                ]
                    + source, output: .null, errors: folder.file("publisher.log"))
            gate = try ChildProcess(
                Package.program("tapline-gate"),
                [
                    "run", "--data", data, "--scanner", "north-1", "--event-key-file", folder.file("event.key"),
                    "--reader", "stdin", "--output", "json",
                ], errors: folder.file("gate.log"))
        }

        func publish(_ version: Int64, deltas: [Int64]) throws {
            try center.publish(
                version: version, people: SnapshotSwitchTests.people, lost: version % 2 == 1 ? [Scene.person] : [],
                deltas: deltas)
        }

        /// The newest scan in the journal.
        func newestScan() throws -> Scan? {
            let reader = JournalReader(folder: data)
            guard let journal = try reader.journals().last else { return nil }
            return try reader.read(journal: journal.id, after: journal.lastSeq - 1, limit: 1).last
        }

        /// Taps several times at once, and reads the verdicts.
        func tapQueue() throws { try tap(times: Scene.queueLength) }

        /// Taps once, and returns the name of the verdict.
        func tap() throws -> String {
            try tap(times: 1)
            return verdicts.last?.name ?? ""
        }

        private func tap(times count: Int) throws {
            try gate.write(String(repeating: "\(TestCenter.uid(Scene.person))\n", count: count))
            for _ in 0..<count {
                guard let line = try gate.line() else { throw TestFailure("the gate ended\(gate.errorTail())") }
                verdicts.append(try PrintedVerdict(line))
            }
        }

        /// Whether the gate reports that it uses an older snapshot than the installed one.
        func reportsOlderSnapshot() throws -> Bool {
            try Run.reporting("tapline-gate", ["status", "--data", data]).lines
                .contains { $0.contains("an older snapshot") }
        }

        /// Checks that every tap has one verdict, in order, by the snapshot that its scan names.
        func checkTaps() throws {
            let reader = JournalReader(folder: data)
            let journals = try reader.journals()
            let scans = try reader.read(journal: #require(journals.first).id, after: 0, limit: 1_000_000)
            #expect(journals.count == 1 && verdicts.count == scans.count && scans.count > 200)
            #expect(verdicts.map(\.seq) == Array(1...Int64(scans.count)))
            for (scan, verdict) in zip(scans, verdicts) {
                let expected = scan.snapshot % 2 == 1 ? "lost" : "admitted"
                #expect(verdict.name == expected, "seq \(verdict.seq) by \(scan.snapshot)")
            }
            let versions = scans.map(\.snapshot)
            #expect(versions == versions.sorted())
            #expect(Set(versions) == Set(SnapshotSwitchTests.first...SnapshotSwitchTests.last))
        }
    }
}
