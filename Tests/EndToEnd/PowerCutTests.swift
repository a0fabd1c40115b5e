import Glibc
import Journal
import Runtime
import Scans
import Support
import Testing

/// The power goes at any moment: what a verdict was shown for is on the disk.
///
/// The disk is an image. While the gate stands still, the image is copied as it is: what the kernel has not flushed is not
/// in the copy, just as after a real cut.
@Suite struct PowerCutTests {
    static let cuts = 50

    @Test func fiftyPowerCutsLoseNoShownVerdict() async throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("fiftyPowerCutsLoseNoShownVerdict: TAPLINE_TEST_SEED=\(seed)")
        try await PlainThread.run("power cuts") {
            var random = TestRandom(seed: seed)
            let folder = TemporaryFolder("cut")
            try Files.writeAtomically([UInt8](0..<32), to: folder.file("event.key"), mode: 0o600)
            let disk = try SmallDisk(.ext4, megabytes: 64)
            let gate = try ChildProcess(
                Package.program("tapline-gate"),
                [
                    "run", "--data", disk.path + "/data", "--scanner", "north", "--event-key-file",
                    folder.file("event.key"), "--reader", "stdin", "--output", "json",
                ], output: .file(folder.file("printed")), errors: folder.file("errors"))
            var printed = 0
            for cut in 1...PowerCutTests.cuts {
                let taps = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                    "04aabbcc\(Int.random(in: 1_000...9_999, using: &random))00,out\n"
                }
                try gate.write(taps.joined())
                // Some moment in the work that the taps began.
                usleep(.random(in: 0...25_000, using: &random))
                try stop(gate)
                let lines = try Files.readText(folder.file("printed"), limit: 64 << 20).split(separator: "\n")
                // Of what nobody has flushed there must be nothing in the copy, or this test proves nothing.
                try Files.writeAtomically([1, 2, 3], to: disk.path + "/unflushed-\(cut)", durable: false)
                let copy = try SmallDisk(copyOf: disk)
                gate.kill(SIGCONT)
                #expect(
                    Files.status(copy.path + "/unflushed-\(cut)")?.size ?? 0 == 0,
                    "cut \(cut): the copy is no power cut")
                let verdicts = try lines.map { try PrintedVerdict(String($0)) }
                let lost = try Set(verdicts.map(\.key)).subtracting(journalled(copy.path + "/data", verdicts.isEmpty))
                #expect(
                    lost.isEmpty, "seed \(seed), cut \(cut): \(lost.count) of \(lines.count) shown verdicts are lost")
                printed = lines.count
            }
            gate.closeInput()
            #expect(try gate.wait() == .exit(0))
            #expect(printed > PowerCutTests.cuts * 10, "seed \(seed): the gate hardly worked")
            print("fiftyPowerCutsLoseNoShownVerdict: \(printed) verdicts, \(PowerCutTests.cuts) cuts")
        }
    }

    /// Stops the gate where it is, and waits until the kernel says so.
    private func stop(_ gate: ChildProcess) throws {
        gate.kill(SIGSTOP)
        try eventually("the gate stands still", everyMs: 1) {
            let tasks = try Files.list("/proc/\(gate.pid)/task")
            return try tasks.allSatisfy { task in
                let stat = try Files.readText("/proc/\(gate.pid)/task/\(task)/stat", limit: 4_096)
                return stat.split(separator: ")").last?.hasPrefix(" T") == true
            }
        }
    }

    /// What the next gate finds after the cut, as `PrintedVerdict.key` puts it.
    private func journalled(_ folder: String, _ mayBeNothing: Bool) throws -> [String] {
        if mayBeNothing, !Files.exists(folder) { return [] }
        let journal = try Journal(folder: folder, scanner: ScannerID("north")!)
        #expect(journal.health.damaged.isEmpty)
        let reader = JournalReader(folder: folder)
        return try reader.journals().flatMap { record in
            try reader.read(journal: record.id, after: 0, limit: 1_000_000).map {
                "\(record.log)|\($0.seq)|\($0.verdict.rawValue)|\($0.tag.rawValue)"
            }
        }
    }
}
