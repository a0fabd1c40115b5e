import Crypto
import FileSystem
import Glibc
import Runtime
import ScanJournal
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// A power cut at a random moment loses no shown verdict.
///
/// The disk is an image. While the gate is stopped, the image is copied. Data that the kernel has not flushed are not
/// in the copy, as after a real power cut. The next gate starts on the copy and restores the admissions.
@Suite struct PowerCutTests {
    static let cuts = 50
    /// After every fifth cut, a real gate starts on the copy.
    static let cutsToStart = 5
    /// Maximum number of people who tap there again.
    static let people = 60

    private let key = EventKey([UInt8](0..<32))!

    /// The registered attendees: hexadecimal UIDs by tag ID.
    private var listed: [String: String] {
        Dictionary(
            uniqueKeysWithValues: (1_000...9_999).map { number in
                let uid = "04aabbcc\(number)00"
                return ("\(key.tagID(of: .uid(Hex.decode(uid) ?? [])).rawValue)", uid)
            })
    }

    /// Installs a snapshot with a gate into a hall, with hard anti-passback.
    private func install(_ folder: String, _ listed: [String: String]) throws {
        try Files.makeFolder(folder)
        let name = SnapshotFileName.of(1_795_400_000)
        let writer = try SnapshotWriter(path: folder + "/" + name)
        for (index, tag) in listed.keys.compactMap({ Int64($0) }).sorted().enumerated() {
            try writer.add(
                TagID(rawValue: tag), Attendee(status: .active, pass: 1, attendee: Int64(index + 1)))
        }
        try writer.addPass(id: 1, name: "Delegate")
        try writer.addAccess(id: 1, pass: 1, Access(zone: 3))
        try writer.add(Zone(id: 3, name: "Hall"))
        try writer.addGate(id: 7, name: "North", zone: 3, policy: #"{"antipassback":"hard"}"#)
        try writer.addScanner("north", gate: 7)
        try writer.finish(event: "Test", version: 1_795_400_000, createdS: 1_795_400_000, expiresS: 7_000_000_000)
        try Files.writeAtomically(Array((name + "\n").utf8), to: folder + "/current")
    }

    private func arguments(_ data: String, _ keyFile: String) -> [String] {
        [
            "run", "--data", data, "--scanner", "north", "--event-key-file", keyFile, "--reader", "stdin", "--output",
            "json",
        ]
    }

    @Test func fiftyPowerCutsLoseNoShownVerdict() async throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("fiftyPowerCutsLoseNoShownVerdict: TAPLINE_TEST_SEED=\(seed)")
        try await NamedThread.run("power cuts") {
            var random = TestRandom(seed: seed)
            let folder = TemporaryFolder("cut")
            try Files.writeAtomically([UInt8](0..<32), to: folder.file("event.key"), mode: 0o600)
            let disk = try SmallDisk(.ext4, megabytes: 64)
            let listed = self.listed
            try install(disk.path + "/data/snapshots", listed)
            let gate = try ChildProcess(
                Package.program("tapline-gate"), arguments(disk.path + "/data", folder.file("event.key")),
                output: .file(folder.file("printed")), errors: folder.file("errors"))
            var (printed, refused) = (0, 0)
            for cut in 1...PowerCutTests.cuts {
                let taps = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                    "04aabbcc\(Int.random(in: 1_000...9_999, using: &random))00,in\n"
                }
                try gate.write(taps.joined())
                // A random moment while the gate processes the taps.
                usleep(.random(in: 0...25_000, using: &random))
                try gate.freeze()
                let lines = try Files.readText(folder.file("printed"), limit: 64 << 20).split(separator: "\n")
                // Proves that the copy has no unflushed data.
                try Files.writeAtomically([1, 2, 3], to: disk.path + "/unflushed-\(cut)", durable: false)
                let copy = try SmallDisk(copyOf: disk)
                gate.kill(SIGCONT)
                #expect(
                    Files.status(copy.path + "/unflushed-\(cut)")?.size ?? 0 == 0,
                    "cut \(cut): the copy has unflushed data")
                let verdicts = try lines.map { try PrintedVerdict(String($0)) }
                let lost = try Set(verdicts.map(\.key)).subtracting(journaled(copy.path + "/data", verdicts.isEmpty))
                #expect(
                    lost.isEmpty, "seed \(seed), cut \(cut): \(lost.count) of \(lines.count) shown verdicts are lost")
                printed = lines.count
                guard cut % PowerCutTests.cutsToStart == 0 else { continue }
                let admitted = verdicts.filter { $0.verdict == 0 }.compactMap { listed[$0.tag.text] }
                refused += try tapAgain(
                    Set(admitted).shuffled(using: &random), in: copy.path + "/data", folder.file("event.key"),
                    "seed \(seed), cut \(cut)")
            }
            #expect(refused > 0, "seed \(seed): no person tapped again")
            gate.closeInput()
            #expect(try gate.wait() == .exit(0))
            #expect(printed > PowerCutTests.cuts * 10, "seed \(seed): the gate printed too few verdicts")
            print(
                "fiftyPowerCutsLoseNoShownVerdict: \(printed) verdicts, \(PowerCutTests.cuts) cuts, "
                    + "\(refused) second entries rejected")
        }
    }

    /// Starts a real gate on the copy. It must reject the second entry of each admitted person. Returns the number of
    /// rejections.
    private func tapAgain(_ admitted: [String], in data: String, _ keyFile: String, _ place: String) throws -> Int {
        let again = admitted.prefix(PowerCutTests.people)
        // The last tap is on the way out, which is never rejected.
        let run = try Run.succeeding(
            "tapline-gate", arguments(data, keyFile), input: again.map { "\($0),in\n" }.joined() + "0499,out\n")
        let verdicts = try run.lines.map { try PrintedVerdict($0).verdict }
        #expect(verdicts.count == again.count + 1 && verdicts.last == 0, "\(place): \(run.errors)")
        #expect(verdicts.dropLast().allSatisfy { $0 == 5 }, "\(place): \(verdicts): a second entry is admitted")
        return again.count
    }

    /// The journaled scans after the cut, in the format of `PrintedVerdict.key`.
    private func journaled(_ folder: String, _ mayBeNothing: Bool) throws -> [String] {
        if mayBeNothing, !Files.exists(folder) { return [] }
        let journal = try Journal(folder: folder, scanner: ScannerID("north")!)
        #expect(journal.health.damaged.isEmpty)
        let reader = JournalReader(folder: folder)
        return try reader.journals().flatMap { record in
            try reader.read(journal: record.id, after: 0, limit: 1_000_000).map {
                "\(record.journalID)|\($0.seq)|\($0.verdict.rawValue)|\($0.tag.rawValue)"
            }
        }
    }
}
