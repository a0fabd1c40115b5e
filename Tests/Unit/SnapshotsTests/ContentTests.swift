import Crypto
import SQLite
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// The content hash, computed by the writer and from the file, compared with the definition of the contract.
@Suite struct ContentTests {
    let folder = TemporaryFolder("content")

    /// Computes the hash with `quote()`, as contract.md section 6 defines it.
    private func byQuote(_ path: String) throws -> String {
        let database = try Database(path, .immutable)
        var hash = SHA256()
        for (table, columns) in [
            ("access", ["id", "pass", "zone", "valid_from", "valid_until"]),
            ("attendees", ["uid", "status", "pass", "attendee"]), ("days", ["day", "starts", "ends"]),
            ("gates", ["id", "name", "zone", "from_zone", "policy"]),
            ("passes", ["id", "name", "colour", "note", "reentry"]), ("scanners", ["scanner", "gate"]),
            ("zones", ["id", "name", "parent"]),
        ] {
            let values = columns.map { "quote(\($0))" }.joined(separator: " || ',' || ")
            try database.prepare("SELECT \(values) FROM \(table) ORDER BY \(columns[0])").rows {
                hash.update($0.text(0) + "\n")
            }
        }
        return Hex.encode(hash.finish())
    }

    @Test(arguments: [0, 1, 7, 20_000])
    func writerAndReaderComputeTheContractHash(count: Int) throws {
        let path = folder.file("\(count).sqlite")
        var random = TestRandom(seed: UInt64(count))
        let writer = try SnapshotWriter(path: path)
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1, from: nil, until: 1_795_514_400))
        try writer.addAccess(id: 2, pass: 1, Access(zone: 2, from: 0, until: nil))
        let uids = Set((0..<count).map { _ in Int64.random(in: .min ... .max, using: &random) })
        for uid in (uids.union(count > 1 ? [.min, -1, 0, 9, 10, .max] : [])).sorted() {
            let person = Int64.random(in: 0...Int64.max, using: &random) >> Int64.random(in: 0...62, using: &random)
            try writer.add(TagID(rawValue: uid), Attendee(status: .lost, pass: person % 300, attendee: person))
        }
        try writer.addPass(id: 1, name: "it's 'quoted'", colour: "", note: "ünï ✓\nsecond line", reentry: .free)
        try writer.addPass(id: 2)
        try writer.add(Zone(id: 1, name: "site, ''"))
        try writer.add(Zone(id: 2, name: "hall", parent: 1))
        try writer.addGate(id: 1, name: "main", zone: 1, policy: #"{"minutes": 3}"#)
        try writer.addScanner("a", gate: 1)
        try writer.addScanner("b", gate: nil)
        try writer.add(Day(day: "2026-11-25", starts: 1, ends: 2))
        let content = writer.content
        let size = writer.size
        try writer.finish(event: "it's", version: 1, createdS: 1, expiresS: 2)
        #expect(try SnapshotContent.hash(path: path) == content)
        #expect(try byQuote(path) == content)
        // Except for the page that is being filled and the pages above it.
        #expect((0...4 * 4_096).contains(try Manifest(describing: path).size - size))
    }

    @Test func rowsOutOfOrderMakeContentUnknown() throws {
        let (writer, other) = (
            try SnapshotWriter(path: folder.file("late.sqlite")), try SnapshotWriter(path: folder.file("other.sqlite"))
        )
        for uid in Int64(0)..<10_000 {
            for writer in [writer, other] {
                try writer.add(TagID(rawValue: uid), Attendee(status: .active, pass: 1, attendee: uid))
            }
        }
        try other.finish(event: "e", version: 1, createdS: 1, expiresS: 2)
        #expect(try writer.content == SnapshotContent.hash(path: folder.file("other.sqlite")))
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1))
        #expect(writer.content == nil)
    }

    /// The exporter writes no such values, but a signed file of another program may have them.
    @Test(arguments: ["1.5", "1e300", "x'00ff'", "'a' || char(0) || 'b'", "-9223372036854775808", "''", "'''", "'ü'''"])
    func anyValueIsHashedAsQuoted(value: String) throws {
        let value = value == "'''" ? "''''" : value
        let path = folder.file("any.sqlite")
        let database = try Database(path, .create)
        try database.execute(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'x'), (2, \(value)), (3, NULL)")
        let lines = try #require(
            try database.text("SELECT group_concat(quote(id) || ',' || quote(v), char(10)) FROM t ORDER BY id"))
        #expect(try SnapshotContent.hash(path: path) == Hex.encode(SHA256.hash(Array((lines + "\n").utf8))))
    }
}
