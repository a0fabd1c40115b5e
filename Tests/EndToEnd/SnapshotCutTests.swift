import FakeCenter
import FileSystem
import Glibc
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import Minisign

/// A download, verification, delta or installation is interrupted at a random moment. A gate then still opens a
/// complete snapshot and decides by it.
@Suite struct SnapshotCutTests {
    /// Number of interruptions, 500 with `scripts/test --all`.
    static let cuts = Environment.value("TAPLINE_TEST_CUTS").flatMap { Int($0) } ?? 100
    static let people = 2_000
    /// After every tenth interruption, a real gate decides two taps.
    static let cutsToTap = 10

    @Test func interruptedFetchKeepsSnapshotUsable() async throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("interruptedFetchKeepsSnapshotUsable: TAPLINE_TEST_SEED=\(seed)")
        try await NamedThread.run("cuts") {
            var stage = try CutStage(seed: seed, people: SnapshotCutTests.people)
            try stage.begin()
            for number in 1...SnapshotCutTests.cuts {
                try stage.cut(number)
                try stage.check(number, taps: number % SnapshotCutTests.cutsToTap == 0)
            }
            try stage.end()
            print("interruptedFetchKeepsSnapshotUsable: \(SnapshotCutTests.cuts) cuts: \(stage.summary)")
            for place in CutStage.Place.allCases {
                #expect(stage.places[place, default: 0] > 0, "seed \(seed): no cut came \(place.rawValue)")
            }
        }
    }

    /// A copy of the disk without unflushed data stands for a power cut.
    @Test func powerCutDuringFetchKeepsSnapshotUsable() async throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("powerCutDuringFetchKeepsSnapshotUsable: TAPLINE_TEST_SEED=\(seed)")
        try await NamedThread.run("power cuts") {
            let disk = try SmallDisk(.ext4, megabytes: 32)
            var stage = try CutStage(seed: seed, people: 500, data: disk.path + "/data")
            try stage.begin()
            for number in 1...max(10, SnapshotCutTests.cuts / 10) {
                try stage.publishIfDone()
                let publisher = try stage.started()
                usleep(.random(in: 0...UInt32(stage.usualMs * 1_200), using: &stage.random))
                try publisher.freeze()
                // Proves that the copy has no unflushed data.
                try Files.writeAtomically([1, 2, 3], to: disk.path + "/unflushed-\(number)", durable: false)
                let copy = try SmallDisk(copyOf: disk)
                publisher.kill(SIGCONT)
                #expect(
                    Files.status(copy.path + "/unflushed-\(number)")?.size ?? 0 == 0,
                    "cut \(number): the copy has unflushed data")
                try stage.check(number, in: copy.path + "/data")
                _ = try publisher.wait()
            }
            try stage.end()
        }
    }
}

/// A center, a scanner, and a faulty link between them.
struct CutStage {
    enum Place: String, CaseIterable {
        case download = "during the download"
        case candidate = "while a file was written or verified"
        case settling = "between verification and installation"
        case after = "after the installation"
    }

    var random: TestRandom
    private(set) var places: [Place: Int] = [:]
    /// Duration of an undisturbed fetch.
    private(set) var usualMs: Int64 = 1

    private let seed: UInt64
    private let people: Int
    private let folder = TemporaryFolder("cuts")
    private let center: TestCenter
    private let proxy: FaultProxy
    private let data: String
    private let callCut: FileCallCut
    /// The content hash of each published version.
    private var contents: [Int64: String] = [:]
    private var version: Int64 = 100
    private var before: Int64 = 0
    /// Number of calls that change a file, in the longest undisturbed fetch.
    private var calls = 1
    private var kills = 0
    private var installs = 0
    /// A gate that runs during the whole test, and the snapshot that it uses.
    private let watch: SnapshotReloader
    private let gate = RunningGate()
    private final class RunningGate { var snapshot: Snapshot? }

    private enum Form: CaseIterable { case full, delta, brokenDelta }

    init(seed: UInt64, people: Int, data: String? = nil) throws {
        (self.seed, self.people, random) = (seed, people, TestRandom(seed: seed))
        center = try TestCenter()
        proxy = try FaultProxy(target: center.port)
        self.data = data ?? folder.file("data")
        callCut = try FileCallCut(folder)
        watch = SnapshotReloader(SnapshotStore(folder: self.data + "/snapshots"))
        try Files.writeAtomically(TestCenter.eventKey, to: folder.file("event.key"), mode: 0o600)
    }

    private var store: SnapshotStore { SnapshotStore(folder: data + "/snapshots") }

    var summary: String {
        places.map { "\($0.value) \($0.key.rawValue)" }.sorted().joined(separator: ", ")
            + "; \(kills) by SIGKILL, \(installs) installed nevertheless, \(version - 100) versions"
    }

    /// Installs a first snapshot, and measures a fetch of each form.
    mutating func begin() throws {
        for form in [Form.full] + Form.allCases {
            try publish(form)
            let count = folder.file("count")
            let began = SystemClock.monotonicMs()
            try Run.succeeding(
                "tapline-publisher", arguments, environment: callCut.environment(at: 0, count: count))
            usualMs = SystemClock.monotonicMs() - began
            calls = max(calls, Int(try Files.readText(count).filter(\.isNumber)) ?? 0)
        }
        try check(0)
    }

    private var arguments: [String] {
        [
            "fetch", "--data", data, "--center-url", "http://127.0.0.1:\(proxy.port)", "--trust-key",
            center.key.publicKey.base64,
        ]
    }

    /// Publishes the next version. In each version, another person has lost the tag.
    private mutating func publish(_ form: Form) throws {
        version += 1
        let bases = (max(101, version - 3)..<version).filter { $0 > 100 }
        let manifest = try center.publish(
            version: version, people: people, lost: [lost(version)], deltas: form == .full ? [] : Array(bases))
        for delta in manifest.deltas ?? [] where form == .brokenDelta {
            var bytes = try center.bytes(delta.file)
            bytes[bytes.count / 2] ^= 1
            try Files.writeAtomically(bytes, to: center.folder.file(delta.file), durable: false)
        }
        contents[version] = manifest.content
        let gone = SnapshotFileName.of(version - 5)
        for name in [gone, gone + ".gz"] { try Files.remove(center.folder.file(name)) }
    }

    private func lost(_ version: Int64) -> Int { Int(version) % people }

    /// Publishes a new version if the newest one is installed.
    mutating func publishIfDone() throws {
        if store.currentVersion() == version { try publish(Form.allCases.randomElement(using: &random) ?? .full) }
    }

    /// Starts a fetch of a new version, or continues the interrupted one.
    mutating func started(_ environment: [String: String] = [:]) throws -> ChildProcess {
        before = store.currentVersion() ?? 0
        return try ChildProcess(
            Package.program("tapline-publisher"), arguments, environment: environment, output: .null,
            errors: folder.file("publisher.log"))
    }

    /// Interrupts one fetch, by the link or by SIGKILL.
    mutating func cut(_ number: Int) throws {
        if Bool.random(using: &random) { try publish(Form.allCases.randomElement(using: &random) ?? .full) }
        try publishIfDone()
        switch number % 4 {
        case 0:
            // The link is cut after a random byte, sometimes with a reset.
            let link = (bytes: Int.random(in: 1...40_000, using: &random), resets: Bool.random(using: &random))
            proxy.set { ($0.cutAfterBytes, $0.resets) = (link.bytes, link.resets) }
            _ = try started().wait()
            proxy.set { $0.cutAfterBytes = nil }
        case 1:
            let publisher = try started()
            usleep(.random(in: 0...UInt32(usualMs * 1_200), using: &random))
            publisher.kill()
            kills += publisher.end == .signal(SIGKILL) ? 1 : 0
        default:
            let publisher = try started(callCut.environment(at: .random(in: 1...calls, using: &random)))
            kills += try publisher.wait() == .signal(SIGKILL) ? 1 : 0
        }
        note()
    }

    /// Records the step that was interrupted, by the files that it left.
    private mutating func note() {
        let names = (try? Files.list(store.folder)) ?? []
        let now = store.currentVersion() ?? 0
        let isNamed = names.contains { SnapshotFileName.version(of: $0).map { $0 > now } ?? false }
        if now > before { installs += 1 }
        let place: Place? =
            isNamed
            ? .settling
            : names.contains { $0.hasSuffix(".part") }
                ? .candidate
                : names.contains { $0.hasSuffix(".gz") || $0.contains(".from-") }
                    ? .download : now > before ? .after : nil
        if let place { places[place, default: 0] += 1 }
    }

    /// Checks the conditions that hold after any interruption.
    func check(_ number: Int, in folder: String? = nil, taps: Bool = false) throws {
        let place = "seed \(seed), cut \(number)"
        let store = SnapshotStore(folder: (folder ?? data) + "/snapshots")
        let now = try #require(store.currentVersion(), "\(place): no snapshot is installed")
        #expect(now == version || now == before, "\(place): version \(now)")
        #expect(store.highestVersion ?? 0 >= now, "\(place)")
        let path = try #require(store.current())
        #expect(try SnapshotContent.hash(path: path) == contents[now], "\(place)")
        // A gate that starts after the interruption.
        let watch = SnapshotReloader(store)
        watch.check()
        let snapshot = try #require(watch.nextSnapshot(), "\(place): no gate opens")
        #expect(!watch.isOlderThanCurrent && snapshot.version == now, "\(place)")
        try decide(snapshot, place)
        guard folder == nil else { return }
        // The gate that runs during the whole test.
        self.watch.check()
        if let next = self.watch.nextSnapshot() { gate.snapshot = next }
        try decide(#require(gate.snapshot), place)
        #expect(gate.snapshot?.version == now, "\(place)")
        if taps { try tap(now, place) }
    }

    private func decide(_ snapshot: Snapshot, _ place: String) throws {
        let refused = lost(snapshot.version)
        #expect(try snapshot.attendee(TestCenter.tag(refused))?.status == .lost, "\(place)")
        #expect(try snapshot.attendee(TestCenter.tag((refused + 1) % people))?.status == .active, "\(place)")
    }

    private func tap(_ version: Int64, _ place: String) throws {
        let run = try Run.succeeding(
            "tapline-gate",
            [
                "run", "--data", data, "--scanner", "north-1", "--event-key-file", folder.file("event.key"), "--reader",
                "stdin", "--output", "json",
            ], input: "\(TestCenter.uid(lost(version)))\n\(TestCenter.uid((lost(version) + 1) % people))\n")
        #expect(try run.lines.map { try PrintedVerdict($0).name } == ["lost", "admitted"], "\(place)")
    }

    /// Checks that an undisturbed fetch installs the newest version.
    mutating func end() throws {
        before = store.currentVersion() ?? 0
        try Run.succeeding("tapline-publisher", arguments)
        #expect(store.currentVersion() == version)
        try check(.max)
        #expect(
            try (Files.list(store.folder) + Files.list(data)).filter {
                $0.contains("download-") || $0.contains(".tmp-")
            }
                == [])
        proxy.end()
    }
}
