import DeviceEmulation
import FileSystem
import FoundationEssentials
import Glibc
import LinuxSystem
import ScanModel
import TestSupport

/// One lane: the real gate with its hardware on pseudo-terminals, and a list that came the whole way, imported, exported, signed
/// and fetched. Nothing of the network runs.
///
/// One thread drives it. Everything it starts ends with it.
final class DeviceLane {
    /// Everybody on the list but the chip and the code: `person(0)` to `person(people - 1)`.
    static let people = 24
    /// An NTAG 424 DNA, listed as `sun:`.
    static let chip: [UInt8] = [0x04, 0x95, 0x8c, 0xaa, 0x5c, 0x5e, 0x80]
    /// A code of the same person as `person(0)`.
    static let code = "TICKET-4711"
    /// A tag at a reader is the same tap within this time, ms: less than it takes to leave and come back.
    static let debounceMs = 500

    let line: Line
    let scanner: Scanner
    let reader: PN532Emulator
    private(set) var gate: ChildProcess?
    private var seen: Set<String> = []

    static func person(_ number: Int) -> [UInt8] { [0x04, 0xd0, 0, 0, 0, 0, UInt8(number)] }

    init(antipassback: String = "off") throws {
        line = try Line(databaseURL: try TestServers.databaseURL(), amqpURL: "amqp://127.0.0.1/none")
        scanner = try line.enrol("lane-1", gate: "Main", zone: "Hall")
        try line.administer(
            "gate", "set", "Main", "--policy",
            #"{"antipassback":"\#(antipassback)","debounce_ms":\#(DeviceLane.debounceMs)}"#)
        let rows = (0..<DeviceLane.people).map { "\(hex(DeviceLane.person($0))),,,Person \($0),Hall" }
        try line.importing(
            (["uid,sun,code,name,zones"] + rows + [
                ",\(hex(DeviceLane.chip)),,Chip,Hall", ",,\(DeviceLane.code),Ticket,Hall",
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

    /// Starts the gate, and waits until all of its devices work.
    /// - Parameter readers: its `--reader`; nil: the NFC reader.
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

    /// Asks the gate to end, which it must do well.
    func stop() throws {
        guard let gate, try gate.stop() == .exit(0) else { throw TestFailure("the gate did not end well\(log())") }
    }

    /// Holds a tag at the reader until the gate has said what it thinks of it.
    func tap(_ tag: EmulatedTag) throws -> PrintedVerdict {
        reader.present(tag)
        defer { reader.removeTag() }
        return try verdict()
    }

    /// Waits until the reader has seen for long enough that nothing is there.
    func leave() throws {
        reader.removeTag()
        let (looks, since) = (reader.count(of: 0x4a), SystemClock.monotonicMs())
        try eventually("looks at nothing", everyMs: 5) {
            reader.count(of: 0x4a) > looks + 3 && SystemClock.monotonicMs() - since > Int64(DeviceLane.debounceMs) + 100
        }
    }

    /// The next verdict that the gate prints; one that it only shows again is passed over.
    func verdict() throws -> PrintedVerdict {
        while true {
            guard let text = try gate?.line(withinMs: 30_000) else { throw TestFailure("the gate ended\(log())") }
            let verdict = try PrintedVerdict(text)
            if seen.insert("\(verdict.log) \(verdict.seq)").inserted { return verdict }
        }
    }

    func log() -> String { gate?.errorTail() ?? "" }

    /// What `tapline-gate status` says, asked anew until it says so.
    func awaitStatus(_ what: String, _ isSo: (LaneStatus) throws -> Bool) throws {
        do { try eventually(what) { try isSo(status()) } } catch let failure as TestFailure {
            throw TestFailure("\(failure): \(try statusText())\(log())")
        }
    }

    func status() throws -> LaneStatus { try LaneStatus(statusText()) }

    private func statusText() throws -> String {
        try Run.succeeding("tapline-gate", ["status", "--data", scanner.data, "--output", "json"]).lines.joined()
    }

    /// Every scan in the journal, in order, asked by another program than ours.
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

    /// What it journalled besides readers that came and went, which a slow machine may see more often.
    func verdicts() throws -> [Int64] { try journal().filter { !$0.isOfReader }.map(\.verdict) }

    /// The tag ID that stands for an identity at this event.
    func tagID(_ identity: TagIdentity) throws -> String {
        guard let key = EventKey(try Files.read(line.eventKeyFile)) else { throw TestFailure("no event key") }
        return "\(key.tagID(of: identity).rawValue)"
    }

    /// What the gate has open, one target a descriptor.
    func descriptors() throws -> [String] {
        guard let gate else { return [] }
        return try Files.list("/proc/\(gate.pid)/fd").compactMap { name in
            var target = [CChar](repeating: 0, count: 256)
            // One that is closed meanwhile counts no longer.
            guard readlink("/proc/\(gate.pid)/fd/\(name)", &target, target.count) > 0 else { return nil }
            return String(decoding: target.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// Waits until nothing more is open than before: what leaks never goes.
    func awaitNoMore(than before: [String]) throws {
        do {
            try eventually("\(before.count) descriptors at most") { try descriptors().count <= before.count }
        } catch let failure as TestFailure {
            throw TestFailure("\(failure); before: \(before.sorted()); now: \(try descriptors().sorted())")
        }
    }
}

/// Of what `tapline-gate status --output json` says.
struct LaneStatus: Decodable {
    struct Reader: Decodable {
        let name, direction: String
        let problem: String?
    }

    let running: Bool
    let readers: [Reader]?
    let turnstile: String?
    let alarms: [String]?

    /// What is wrong with the readers; nil: no gate ever ran.
    var problems: [String]? { readers.map { $0.compactMap(\.problem) } }

    init(_ text: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { self = try decoder.decode(LaneStatus.self, from: Data(text.utf8)) } catch {
            throw TestFailure("not a status: \(text): \(error)")
        }
    }
}

private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
