import ErrorModel
import Postgres
import RegistrationLists
import ScanModel
import Testing

@testable import Registry

@Suite struct RegistryExportTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private func file(_ write: ((ArraySlice<UInt8>) throws -> Void) throws -> Void) throws -> String {
        var bytes: [UInt8] = []
        try write { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let passes = #"""
        name,colour,note,reentry,zone,valid_from,valid_until
        "Crew, all",red,"two; ""quoted""",free,Site,2026-05-06T08:00:00.000001Z,
        "Crew, all",,,,Backstage,,2026-05-06T08:00:00.5Z
        Küche,,,gate,,,
        """#

    private static let list = #"""
        uid,code,name,category,zones,pass,valid_from,valid_until,status,external_ref
        01,,"Doe, ""Jane""",vip,Site;Höhe 7,,2026-05-06T08:00:00.123456Z,,active,"R,1"
        ,C-2,"two, names",,,"Crew, all",,,blocked,R-2
        03,,名前 🎟,,Site,,,2026-05-06T08:00:00Z,void,
        04,C-4,Küchen;hilfe,x;y,,Küche,,,,R-4
        ,,Only a reference,,,,,,,R-5
        05,C-5,=1+1,\. ,,,,,,
        """#

    @Test func exportedListImportsWithoutChange() throws {
        try world.importPasses(Self.passes)
        try world.import(Self.list)
        _ = try world.registry.setTag(TagID(rawValue: world.tag(4)), .lost)
        _ = try world.registry.setTag(world.key.tagID(of: .code("C-4")), .void)
        let list = try file { write in
            let done = try world.registry.exportList(to: write)
            #expect(done.rows == 6 && done.leftOut == 0)
        }
        let passes = try file { write in
            let count = try world.registry.exportPasses(to: write)
            #expect(count == 2)
        }
        let picture = try world.picture()
        let identities = RegistrationCSV.Identities(key: nil)
        let path = try world.write(list)
        let passPath = try world.write(passes, "passes.csv")
        let again = try world.registry.import(RegistrationCSV(path, identities), passes: try PassCSV(passPath))
        #expect(again.rows == 6 && again.unchanged == 6)
        #expect(try world.picture() == picture)

        let other = try RegistryFixture()
        let moved = try other.registry.import(RegistrationCSV(path, identities), passes: try PassCSV(passPath))
        #expect(moved.added == 6 && moved.tagsAdded == 7)
        #expect(try file { _ = try other.registry.exportList(to: $0) } == list)
        #expect(try file { _ = try other.registry.exportPasses(to: $0) } == passes)
        #expect(
            try other.rows("SELECT name FROM tapline.attendees ORDER BY id") == [
                #"Doe, "Jane""#, "two, names", "名前 🎟", "Küchen;hilfe", "Only a reference", "=1+1",
            ])
        #expect(
            try other.rows("SELECT tag_id, status FROM tapline.tags WHERE status <> 'active' ORDER BY status") == [
                "\(world.tag(4))|lost", "\(world.key.tagID(of: .code("C-4")).rawValue)|void",
            ])
    }

    @Test func passThatListCannotExpressIsReported() throws {
        try world.connection.execute(
            """
            INSERT INTO tapline.attendees (name) VALUES ('Without reference');
            INSERT INTO tapline.zones (name) VALUES ('A'), ('B');
            INSERT INTO tapline.passes (id, name) VALUES (1, NULL), (2, NULL);
            INSERT INTO tapline.access (pass_id, zone_id, valid_from) VALUES (1, 1, NULL), (1, 2, now());
            """)
        let lost = try world.registry.exportList { _ in }
        #expect(lost.rows == 0 && lost.leftOut == 1)
        for (change, pass, what) in [
            ("UPDATE tapline.attendees SET pass_id = 1", 1, "is more than a set of zones with equal times"),
            ("UPDATE tapline.attendees SET pass_id = 2", 2, "opens no zone"),
            (
                "INSERT INTO tapline.access (pass_id, zone_id, valid_until) VALUES (2, 1, 'infinity')", 2,
                "is more than a set of zones with equal times"
            ),
            (
                "UPDATE tapline.access SET valid_until = NULL; UPDATE tapline.passes SET reentry = 'free' WHERE id = 2",
                2, "is more than a set of zones with equal times"
            ),
        ] {
            try world.connection.execute(change)
            let error = try #require(throws: RegistryError.self) { try world.registry.exportList { _ in } }
            let words = "pass \(pass) has no name and \(what): give the pass a name"
            #expect(error.category == .failure && error.description.contains(words), "\(change)")
        }
        try world.connection.execute("UPDATE tapline.passes SET name = 'Now it has one' WHERE id = 2")
        #expect(try world.registry.exportList { _ in }.rows == 0)
    }

    @Test func neverValidAccessStaysInvalidAfterRoundTrip() throws {
        try world.connection.execute(
            """
            INSERT INTO tapline.zones (name) VALUES ('A'), ('B');
            INSERT INTO tapline.passes (id, name) VALUES (1, 'Never'), (2, 'Always'), (3, 'Both');
            INSERT INTO tapline.access (pass_id, zone_id, valid_from, valid_until) VALUES
                (1, 1, 'infinity', NULL), (1, 2, NULL, '-infinity'), (2, 1, '-infinity', 'infinity'),
                (3, 1, 'infinity', NULL), (3, 2, NULL, NULL);
            """)
        let passes = try file { write in
            let count = try world.registry.exportPasses(to: write)
            #expect(count == 3)
        }
        #expect(
            passes.split(separator: "\n").dropFirst() == ["Never,,,gate,,,", "Always,,,gate,A,,", "Both,,,gate,B,,"])
        let picture = try world.picture()
        try world.importPasses(passes)
        #expect(try world.picture() == picture)
    }

    @Test func tagIDsInListAreChecked() throws {
        let refused = try world.refused(
            """
            tag_id,name
            0,Zero
            12x,Letters
            1.2E+18,Rounded
            9223372036854775808,Too large
            5:gone,Status
            7;;8,Two
            -9223372036854775808:void,Lowest
            """)
        #expect(refused.count == 5 && refused[0].hasPrefix("line 2: tag_id '0' has the tag ID 0"))
        #expect(refused[4].contains("not one of active, lost, void"))
        let done = try world.import("tag_id,name\n7;;8,Two\n-9223372036854775808:void,Lowest\n")
        #expect(done.tagsAdded == 3)
        // A list can make a tag lost, but not active again.
        #expect(try world.import("tag_id,name\n7:lost;8,Two\n-9223372036854775808,Lowest\n").tagsLost == 1)
        #expect(
            try world.rows("SELECT tag_id, status FROM tapline.tags ORDER BY tag_id") == [
                "-9223372036854775808|void", "7|lost", "8|active",
            ])
    }
}
