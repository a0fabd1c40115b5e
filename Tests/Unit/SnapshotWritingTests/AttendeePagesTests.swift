import FileSystem
import SQLite
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// SQLite reads and changes the pages of `AttendeePages`.
@Suite struct AttendeePagesTests {
    let folder = TemporaryFolder("pages")

    private func file(
        _ rows: [(Int64, Attendee)], largestPass: Int64 = 0, largestAttendee: Int64 = 0
    ) throws -> String {
        let path = folder.file("\(rows.count)-\(largestPass).sqlite")
        let writer = try SnapshotWriter(path: path, largestPass: largestPass, largestAttendee: largestAttendee)
        for (uid, attendee) in rows { try writer.add(TagID(rawValue: uid), attendee) }
        try writer.addPass(id: 1, name: "crew")
        try writer.finish(event: "Fair", version: 1, createdS: 1, expiresS: 2)
        return path
    }

    /// Numbers of every length in the format.
    private func number(_ random: inout TestRandom) -> Int64 {
        Int64.random(in: 0...Int64.max, using: &random) >> Int64.random(in: 0...63, using: &random)
    }

    // The tree has one level, two, or from 46,000 rows on three. The other numbers are around the size of a page.
    @Test(arguments: [0, 1, 2, 100, 170, 171, 185, 186, 187, 190, 205, 206, 3_000, 45_000, 60_000])
    func sqliteReadsWrittenPages(count: Int) throws {
        var random = TestRandom(seed: UInt64(count))
        var uids = Set((0..<count).map { _ in Int64.random(in: .min ... .max, using: &random) })
        if count >= 100 {
            for shift in Int64(0)..<63 {
                uids.insert(1 << shift)
                uids.insert(-(1 << shift))
            }
        }
        let rows = uids.sorted().map { uid in
            let status = Attendee.Status(rawValue: Int64.random(in: 1...4, using: &random)) ?? .void
            return (uid, Attendee(status: status, pass: number(&random), attendee: number(&random)))
        }
        for largest in [Int64(0), 40_000, .max] {
            let path = try file(rows, largestPass: largest, largestAttendee: largest)
            let database = try Database(path, .readOnly)
            #expect(try database.text("PRAGMA integrity_check") == "ok")
            #expect(try database.int("SELECT count(*) FROM attendees") == Int64(rows.count))
            var found: [(Int64, Attendee)] = []
            try database.prepare("SELECT uid, status, pass, attendee FROM attendees ORDER BY uid").rows { row in
                let status = Attendee.Status(rawValue: row.int(1)) ?? .void
                found.append((row.int(0), Attendee(status: status, pass: row.int(2), attendee: row.int(3))))
            }
            #expect(found.elementsEqual(rows, by: ==))
            let snapshot = try Snapshot(path: path)
            for (uid, expected) in rows.prefix(300) + rows.suffix(300) {
                #expect(try snapshot.attendee(TagID(rawValue: uid)) == expected)
            }
        }
    }

    /// The changes of a delta on a scanner.
    @Test func sqliteChangesWrittenPages() throws {
        var random = TestRandom(seed: 1)
        let uids = Set((0..<30_000).map { _ in Int64.random(in: .min ... .max, using: &random) }).sorted()
        let path = try file(
            uids.map { ($0, Attendee(status: .active, pass: 1, attendee: 1)) }, largestPass: 300,
            largestAttendee: 99_999)
        let database = try Database(path, .readWrite)
        try database.execute("BEGIN")
        var expected = Set(uids)
        for uid in uids where Int.random(in: 0..<3, using: &random) == 0 {
            try database.prepare("DELETE FROM attendees WHERE uid = ?").run(.int(uid))
            expected.remove(uid)
        }
        for _ in 0..<10_000 {
            let uid = Int64.random(in: .min ... .max, using: &random)
            try database.prepare("INSERT INTO attendees VALUES (?, 2, 70000, 8)").run(.int(uid))
            expected.insert(uid)
        }
        try database.execute("COMMIT; UPDATE attendees SET status = 3 WHERE uid % 7 = 0")
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        var found: [Int64] = []
        try database.prepare("SELECT uid FROM attendees ORDER BY uid").rows { found.append($0.int(0)) }
        #expect(found == expected.sorted())
        try database.execute("VACUUM")
        #expect(try database.text("PRAGMA integrity_check") == "ok")
    }

    @Test func tagsOutOfOrderAreRejected() throws {
        let writer = try SnapshotWriter(path: folder.file("order"))
        let anybody = Attendee(status: .active, pass: 1, attendee: 1)
        try writer.add(TagID(rawValue: 5), anybody)
        for uid in [Int64(5), 4, .min] {
            #expect(throws: SnapshotError.self) { try writer.add(TagID(rawValue: uid), anybody) }
        }
        try writer.add(TagID(rawValue: 6), anybody)
        try writer.finish(event: "Fair", version: 1, createdS: 1, expiresS: 2)
        #expect(throws: SnapshotError.self) { try writer.finish(event: "Fair", version: 1, createdS: 1, expiresS: 2) }
        #expect(try Snapshot(path: folder.file("order")).count() == 2)
    }

    @Test func rowsHaveEqualSizeIfLargestNumbersAreKnown() throws {
        var random = TestRandom(seed: 2)
        let uids = Set((0..<20_000).map { _ in Int64.random(in: .min ... .max, using: &random) }).sorted()
        let rows = uids.map {
            (
                $0,
                Attendee(
                    status: .active, pass: Int64.random(in: 1...200, using: &random),
                    attendee: number(&random) & 0xfffff)
            )
        }
        let path = try file(rows, largestPass: 200, largestAttendee: 0xfffff)
        let perRow = Double(Files.status(path)?.size ?? 0) / Double(rows.count)
        #expect((22.0...26).contains(perRow), "\(perRow)")
    }
}
