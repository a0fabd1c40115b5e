import Crypto
import DeviceEmulation
import FileSystem
import FoundationEssentials
import Glibc
import LinuxSystem
import ScanModel
import TestSupport

/// One lane: the real gate with hardware on pseudo-terminals, and an imported, exported, signed and fetched snapshot.
/// No center, publisher or broker runs.
///
/// Confined to one thread. Every program ends when the object is released.
final class DeviceLane {
    /// Registered attendees besides the chip and the code: `person(0)` to `person(people - 1)`.
    static let people = 24
    /// The UID of a registered NTAG 424 DNA.
    static let chip: [UInt8] = [0x04, 0x95, 0x8c, 0xaa, 0x5c, 0x5e, 0x80]
    /// A code of the same person as `person(0)`.
    static let code: CodeText = "TICKET-4711"
    /// Debounce window of the gate, in milliseconds. Shorter than the time in which a tag leaves and returns.
    static let debounceMs = 500

    let line: SystemUnderTest
    let scanner: Scanner
    let reader: PN532Emulator
    private(set) var gate: ChildProcess?
    private var seen: Set<String> = []

    static func person(_ number: Int) -> [UInt8] { [0x04, 0xd0, 0, 0, 0, 0, UInt8(number)] }

    init(antipassback: String = "off") throws {
        line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: "amqp://127.0.0.1/none")
        scanner = try line.enrol("lane-1", gate: "Main", zone: "Hall")
        try line.administer(
            "gate", "set", "Main", "--policy",
            #"{"antipassback":"\#(antipassback)","debounce_ms":\#(DeviceLane.debounceMs)}"#)
        let rows = (0..<DeviceLane.people).map { "\(Hex.encode(DeviceLane.person($0))),,,Person \($0),Hall" }
        try line.importing(
            (["uid,sun,code,name,zones"] + rows + [
                ",\(Hex.encode(DeviceLane.chip)),,Chip,Hall", ",,\(DeviceLane.code),Ticket,Hall",
            ]).joined(separator: "\n") + "\n")
        try line.database.query(
            """
            UPDATE tapline.tags SET attendee_id = (SELECT id FROM tapline.attendees WHERE name = 'Person 0')
            WHERE attendee_id = (SELECT id FROM tapline.attendees WHERE name = 'Ticket')
            """)
        try line.export()
        try scanner.fetch()
        reader = try PN532Emulator()
    }

    /// Starts the gate, and waits until all its devices work.
    ///
    /// - Parameter readers: the values of `--reader`; `nil` for the NFC reader.
    func start(_ more: [String] = [], readers: [String]? = nil, output: ChildProcess.Output = .lines) throws {
        let readers = readers ?? ["nfc:\(reader.connstring)"]
        gate = try ChildProcess(
            Package.program("tapline-gate"),
            [
                "run", "--data", scanner.data, "--scanner", scanner.id, "--event-key-file", line.eventKeyFile,
                "--output", "json",
            ] + readers.flatMap { ["--reader", $0] } + more, output: output, errors: line.folder.file("gate.log"))
        try awaitStatus("the lane works") {
            $0.running && $0.problems == [] && $0.turnstile ?? "ok" == "ok"
        }
    }

    /// Stops the gate, which must exit with code 0.
    func stop() throws {
        guard let gate, try gate.stop() == .exit(0) else { throw TestFailure("the gate failed at its end\(log())") }
    }

    /// Holds a tag at the reader until the gate prints its verdict.
    func tap(_ tag: EmulatedTag) throws -> PrintedVerdict {
        reader.present(tag)
        defer { reader.removeTag() }
        return try verdict()
    }

    /// Removes the tag, and waits until the reader has found no tag for longer than the debounce window.
    func leave() throws {
        reader.removeTag()
        let (polls, since) = (reader.count(of: 0x4a), SystemClock.monotonicMs())
        try eventually("the reader polls an empty field", everyMs: 5) {
            reader.count(of: 0x4a) > polls + 3 && SystemClock.monotonicMs() - since > Int64(DeviceLane.debounceMs) + 100
        }
    }

    /// The next verdict that the gate prints. Skips verdicts that it shows again.
    func verdict() throws -> PrintedVerdict {
        while true {
            guard let text = try gate?.line() else { throw TestFailure("the gate ended\(log())") }
            let verdict = try PrintedVerdict(text)
            if seen.insert("\(verdict.log) \(verdict.seq)").inserted { return verdict }
        }
    }

    func log() -> String { gate?.errorTail() ?? "" }

    /// Polls `tapline-gate status` until the condition is true.
    func awaitStatus(_ what: String, _ isTrue: (LaneStatus) throws -> Bool) throws {
        do { try eventually(what) { try isTrue(status()) } } catch let failure as TestFailure {
            throw TestFailure("\(failure): \(try statusText())\(log())")
        }
    }

    func status() throws -> LaneStatus { try LaneStatus(statusText()) }

    private func statusText() throws -> String {
        try Run.succeeding("tapline-gate", ["status", "--data", scanner.data, "--output", "json"]).lines.joined()
    }

    /// Every scan in the journal, in order, read with sqlite3.
    func journal() throws -> [Row] {
        try Run.succeeding(
            "sqlite3",
            [
                "file:\(scanner.data)/journal.sqlite?mode=ro&readonly_shm=1",
                "SELECT id & 4294967295, verdict, tag, flags FROM scans ORDER BY id",
            ]
        ).lines.map { line in
            let numbers = line.split(separator: "|").compactMap { Int64($0) }
            guard numbers.count == 4 else { throw TestFailure("not a scan: \(line)") }
            return Row(seq: numbers[0], verdict: numbers[1], tag: numbers[2], flags: numbers[3])
        }
    }

    struct Row: Hashable {
        let seq, verdict, tag, flags: Int64
        var isOfReader: Bool { verdict == 131 || verdict == 132 }
    }

    /// The journaled verdicts without reader events, which may occur more often on a slow machine.
    func verdicts() throws -> [Int64] { try journal().filter { !$0.isOfReader }.map(\.verdict) }

    /// The tag ID of an identity at this event.
    func tagID(_ identity: TagIdentity) throws -> String {
        guard let key = EventKey(try Files.read(line.eventKeyFile)) else { throw TestFailure("no event key") }
        return "\(key.tagID(of: identity).rawValue)"
    }

    /// The targets of the open descriptors of the gate.
    func descriptors() throws -> [String] {
        guard let gate else { return [] }
        return try Files.list("/proc/\(gate.pid)/fd").compactMap { name in
            var target = [CChar](repeating: 0, count: 256)
            // A descriptor may be closed after the listing.
            guard readlink("/proc/\(gate.pid)/fd/\(name)", &target, target.count) > 0 else { return nil }
            return String(decoding: target.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// Waits until the gate has no more open descriptors than before. Leaked descriptors never disappear.
    func awaitNoMore(than before: [String]) throws {
        do {
            try eventually("\(before.count) descriptors at most") { try descriptors().count <= before.count }
        } catch let failure as TestFailure {
            throw TestFailure("\(failure); before: \(before.sorted()); now: \(try descriptors().sorted())")
        }
    }
}

/// Some fields of `tapline-gate status --output json`.
struct LaneStatus: Decodable {
    struct Reader: Decodable {
        let name, direction: String
        let problem: String?
    }

    let running: Bool
    let readers: [Reader]?
    let turnstile: String?
    let alarms: [String]?

    /// The faults of the readers; `nil` if no gate has run.
    var problems: [String]? { readers.map { $0.compactMap(\.problem) } }

    init(_ text: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { self = try decoder.decode(LaneStatus.self, from: Data(text.utf8)) } catch {
            throw TestFailure("not a status: \(text): \(error)")
        }
    }
}
