import FakeCenter
import FileSystem
import SQLite
import ScanModel
import Snapshots
import TestSupport
import Testing

@Suite struct SnapshotTests {
    let folder = TemporaryFolder("snapshots")
    var path: String { folder.path + "/one.sqlite" }

    @Test func tagIsFoundWithStatusAndPass() throws {
        let snapshot = try Snapshot(path: Sample.write(path, version: 7))
        #expect(
            try snapshot.attendee(TagID(rawValue: -9_000)) == Attendee(status: .active, pass: 1, attendee: 1))
        #expect(try snapshot.attendee(TagID(rawValue: 5))?.status == .blocked)
        #expect(try snapshot.attendee(TagID(rawValue: 6))?.status == .lost)
        #expect(try snapshot.attendee(TagID(rawValue: 7)) == Attendee(status: .void, pass: 0, attendee: 4))
        #expect(try snapshot.attendee(TagID(rawValue: 8)) == nil)
        #expect(try snapshot.attendee(.none) == nil)
        #expect(try snapshot.count() == 5)
    }

    @Test func tablesOfTheEventAreRead() throws {
        let snapshot = try Snapshot(path: Sample.write(path, version: 7))
        #expect(snapshot.version == 7)
        #expect(snapshot.event == Sample.event)
        #expect(snapshot.createdS == Sample.created)
        #expect(snapshot.expiresS == Sample.expires)
        #expect(snapshot.zones[11] == Zone(id: 11, name: "Backstage", parent: 10))
        #expect(snapshot.passes[1]?.reentry == .free)
        #expect(
            snapshot.passes[1]?.access
                == [Access(zone: 10), Access(zone: 11, from: Sample.created, until: Sample.created + 3_600)])
        #expect(snapshot.passes[2]?.name == nil)
        #expect(snapshot.gates[100]?.policy == Policy())
        #expect(snapshot.gates[101]?.fromZone == 10)
        #expect(snapshot.gates[101]?.policy.antipassback == .timed)
        #expect(snapshot.scanners["north-1"] == .some(100))
        #expect(snapshot.scanners["spare"] == .some(nil))
        #expect(snapshot.scanners["stranger"] == nil)
        #expect(snapshot.days.map(\.day) == ["2025-11-24", "2025-11-25"])
    }

    @Test func sameRowsGiveTheSameBytes() throws {
        try Sample.write(path, version: 7)
        try Sample.write(folder.path + "/two.sqlite", version: 7)
        #expect(try Files.read(path) == Files.read(folder.path + "/two.sqlite"))
    }

    @Test func fileHasTheFormatOfTheContract() throws {
        try Sample.write(path, version: 7)
        let database = try Database(path, .readOnly)
        #expect(try database.int("PRAGMA application_id") == 0x5450_4C4E)
        #expect(try database.int("PRAGMA user_version") == 1)
        #expect(try database.text("PRAGMA journal_mode") != "wal")
        #expect(try database.int("SELECT status FROM attendees WHERE uid = ?", 5) == 2)
        #expect(try database.text("SELECT value FROM meta WHERE key = 'version'") == "7")
    }

    /// The value was computed by a program in another language, written from the contract.
    @Test func contentHashEqualsGoldenValue() throws {
        try Sample.write(path, version: 7)
        let golden = "b033d595b858db8346ed1a701a8af0b8933295130505cc7781f5416cd9d27e67"
        #expect(try SnapshotContent.hash(path: path) == golden)
        // Independent of the bytes of the file and of `meta`.
        try Database(path, .readWrite).execute("PRAGMA page_size = 512; VACUUM; UPDATE meta SET value = 'x'")
        #expect(try SnapshotContent.hash(path: path) == golden)
        try Database(path, .readWrite).execute("UPDATE passes SET note = NULL WHERE id = 1")
        #expect(try SnapshotContent.hash(path: path) != golden)
    }

    @Test func otherFilesAreRejected() throws {
        let other = folder.path + "/other.sqlite"
        try Database(other, .create).execute("CREATE TABLE attendees(uid INTEGER PRIMARY KEY)")
        #expect(throws: SnapshotError.self) { try Snapshot(path: other) }
        try Database(other, .readWrite).execute("PRAGMA application_id = \(Snapshot.applicationID)")
        #expect(throws: SnapshotError.self) { try Snapshot(path: other) }
        try Files.writeAtomically([UInt8](repeating: 65, count: 4_096), to: other)
        #expect(throws: SQLiteError.self) { try Snapshot(path: other) }
        #expect(throws: SQLiteError.self) { try Snapshot(path: folder.path + "/none.sqlite") }
    }

    @Test func absentPolicyKeysMeanDefaults() throws {
        for text in ["", "{}", #"{"colour":"green"}"#] {
            let policy = try Policy(json: text)
            #expect(policy.antipassback == .off)
            #expect(policy.minutes == nil && policy.debounceMs == nil && policy.toleranceS == 0)
            #expect(policy.noSnapshot == .deny && policy.expired == .admit && policy.uidOnly)
        }
        let set = try Policy(
            json:
                #"{"antipassback":"hard","debounce_ms":0,"tolerance_s":30,"no_snapshot":"admit","expired":"deny","uid_only":false}"#
        )
        #expect(set.antipassback == .hard && set.debounceMs == 0 && set.toleranceS == 30)
        #expect(set.noSnapshot == .admit && set.expired == .deny && !set.uidOnly)
    }

    @Test(arguments: [
        "x", "[]", #"{"antipassback":"sometimes"}"#, #"{"antipassback":"timed"}"#, #"{"minutes":0}"#,
        #"{"debounce_ms":-1}"#, #"{"tolerance_s":"a"}"#, #"{"uid_only":1}"#,
        #"{"expired":null,"no_snapshot":"perhaps"}"#,
    ])
    func invalidPolicyIsRejected(text: String) {
        #expect(throws: PolicyError.self) { try Policy(json: text) }
    }
}
