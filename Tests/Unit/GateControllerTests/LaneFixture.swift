import AccessControl
import FileSystem
import GateController
import ScanJournal
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport

/// A small event on the disk: four people, two zones, two gates, and the data folder of one scanner.
struct LaneFixture {
    let folder = TemporaryFolder("gate")
    let key = EventKey([UInt8](0..<32))!
    let scanner = ScannerID("gate-7")!
    static let day: Int64 = 1_795_392_000

    var data: String { folder.file("data") }
    var keyFile: String { folder.file("event.key") }
    /// A time within all validity periods.
    static let tenOClock = "2026-11-23T10:00:00Z"

    enum Person: UInt8, CaseIterable {
        case delegate = 1
        case blocked, early, staff
    }

    func uid(_ person: Person) -> [UInt8] { [0x04, 0xa1, 0xb2, person.rawValue] }
    func hex(_ person: Person) -> String { "04a1b2" + "0" + String(person.rawValue) }
    func tag(_ person: Person) -> TagID { key.tagID(of: .uid(uid(person))) }

    init() throws {
        try Files.makeFolder(data + "/snapshots")
        try Files.writeAtomically([UInt8](0..<32), to: keyFile, mode: 0o600)
    }

    /// Makes a snapshot and installs it.
    func install(
        version: Int64, policy: String = "{}", hall: String = "Hall", gate: String = "Hall north",
        expiresS: Int64? = nil,
        lists scanner: String? = "gate-7", without missing: Person? = nil, days: ClosedRange<Int64>? = nil,
        createdS: Int64 = LaneFixture.day, crowd: Int64 = 0, isOpenToAll: Bool = false,
        fingerprint: String? = nil, reentry: Pass.Reentry = .gate, code: CodeText? = nil, codeCase: CodeCase = .exact,
        readings: [[UInt8]] = [], ownGate: Int64? = 7
    ) throws {
        let name = SnapshotFileName.of(version)
        let writer = try SnapshotWriter(path: data + "/snapshots/" + name)
        let rows = Person.allCases.filter { $0 != missing }.map { person in
            (
                tag(person),
                Attendee(
                    status: person == .blocked && !isOpenToAll ? .blocked : .active,
                    pass: isOpenToAll ? 1 : person == .staff ? 2 : person == .early ? 3 : 1,
                    attendee: Int64(person.rawValue))
            )
        }
        let coded = code.map { code in
            (key.with(codeCase).tagID(of: .code(code)), Attendee(status: .active, pass: 1, attendee: 99))
        }
        let read = readings.map { (key.tagID(of: .uid($0)), Attendee(status: .active, pass: 1, attendee: 98)) }
        let others = (0..<crowd).map {
            (
                TagID(rawValue: Int64.min + $0 * (Int64.max / max(1, crowd))),
                Attendee(status: .active, pass: 1, attendee: 100 + $0)
            )
        }
        for (tag, attendee) in (rows + others + [coded].compactMap(\.self) + read).sorted(by: { $0.0 < $1.0 }) {
            try writer.add(tag, attendee)
        }
        // Each day starts at 04:00.
        for day in days.map(Array.init) ?? [] {
            let starts = LaneFixture.day + day * 86_400 + 4 * 3_600
            try writer.add(Day(day: "\(day)", starts: starts, ends: starts + 86_400))
        }
        try writer.addPass(id: 1, name: "Delegate", colour: "blue", note: "no bags", reentry: reentry)
        try writer.addPass(id: 2)
        try writer.addPass(id: 3, name: "Early")
        try writer.addAccess(id: 1, pass: 1, Access(zone: 3))
        try writer.addAccess(id: 2, pass: 2, Access(zone: 4))
        try writer.addAccess(id: 3, pass: 3, Access(zone: 3, until: LaneFixture.day))
        try writer.add(Zone(id: 3, name: hall, parent: 4))
        try writer.add(Zone(id: 4, name: "Foyer"))
        try writer.addGate(id: 7, name: gate, zone: 3, fromZone: 4, policy: policy)
        try writer.addGate(id: 8, name: "Entrance", zone: 4)
        if let scanner { try writer.addScanner(scanner, gate: ownGate) }
        try writer.addScanner("spare", gate: nil)
        var manifest = Manifest(
            event: "Test", version: version, created: createdS,
            expires: expiresS ?? LaneFixture.day + 10 * 365 * 86_400, size: 0, sha256: "", content: "", attendees: 0)
        manifest.key = fingerprint
        manifest.codeCase = codeCase.rawValue
        try writer.finish(manifest)
        try Files.writeAtomically(Array((name + "\n").utf8), to: data + "/snapshots/current")
    }

    func settings(_ format: VerdictLine.Format = .json, gate: String? = nil, scanner: ScannerID? = nil) -> Lane.Settings
    {
        Lane.Settings(folder: data, scanner: scanner ?? self.scanner, key: key, gateName: gate, format: format)
    }

    /// All scans, as a publisher reads them.
    func journaled() throws -> [Scan] {
        let reader = JournalReader(folder: data)
        return try reader.journals().flatMap { try reader.read(journal: $0.id, after: 0, limit: 100_000) }
    }

    /// Arguments for the real program.
    func arguments(_ more: String...) -> [String] {
        ["run", "--data", data, "--scanner", "gate-7", "--event-key-file", keyFile, "--reader", "stdin"] + more
    }
}

/// The verdict lines of a lane.
final class VerdictLines {
    var lines: [String] = []
}

extension Lane {
    /// Handles one event that arrives now, by the clocks of this machine.
    func dispatchNow(_ event: LaneEvent) { dispatch(TimestampedEvent(event)) }
}
