import CLI
import Postgres
import RegistrationLists
import Registry
import ScanModel
import Testing

/// Lists of ticket shops on their way into the database; how they are read is tested with the readers.
@Suite struct TicketImportTests {
    private let world: RegistryFixture

    init() throws { world = try RegistryFixture() }

    private static let passes = """
        name,colour,reentry,zone,valid_from,valid_until
        Festival,green,none,Site,,2026-05-09T00:00:00Z
        Camping,,,Camp,,
        """

    private func order(_ code: String, _ status: String, _ positions: String) -> String {
        #"{"code": "\#(code)", "status": "\#(status)", "email": "buyer@example.org", "total": "99.00", "positions": [\#(positions)]}"#
    }

    private func position(_ id: Int, _ order: String, _ number: Int, item: Int = 1, _ more: String = "") -> String {
        #"{"id": \#(id), "order": "\#(order)", "positionid": \#(number), "item": \#(item), "attendee_name": "Person \#(id)", "secret": "secret-\#(id)", "price": "99.00", "attendee_email": "p@example.org"\#(more)}"#
    }

    private let items = """
        [{"id": 1, "name": {"en": "Festival"}, "admission": true, "variations": []},
         {"id": 2, "name": {"en": "Camping"}, "admission": false, "variations": []}]
        """

    private func importPretix(_ orders: String..., set: (inout ImportOptions) -> Void = { _ in }) throws
        -> ImportSummary
    {
        let paths = [
            try world.write("[" + orders.joined(separator: ",") + "]", "orders.json"),
            try world.write(items, "items.json"),
        ]
        var options = ImportOptions()
        set(&options)
        return try world.registry.import(PretixExport(paths, key: world.key), options)
    }

    private func people() throws -> [String] {
        try world.rows(
            """
            SELECT external_ref, a.name, category, a.status, p.name, (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = a.id)
            FROM tapline.attendees a LEFT JOIN tapline.passes p ON p.id = a.pass_id ORDER BY a.id
            """)
    }

    @Test func repeatedPretixImportsFollowOrders() throws {
        try world.importPasses(Self.passes)
        let camper = position(1, "AAA", 1) + "," + position(2, "AAA", 2, item: 2, #", "addon_to": 1"#)
        let friday = position(4, "CCC", 1, item: 1, #", "valid_from": "2026-05-08T06:00:00Z", "valid_until": null"#)
        let first = try importPretix(
            order("AAA", "p", camper), order("BBB", "p", position(3, "BBB", 1)), order("CCC", "p", friday))
        #expect(first.added == 3 && first.tagsAdded == 4 && first.passesMade == 2)
        #expect(
            try people() == [
                "pretix:AAA-1|Person 1|Festival|active|Festival + Camping|2",
                "pretix:BBB-1|Person 3|Festival|active|Festival|1",
                "pretix:CCC-1|Person 4|Festival|active|Festival (from 2026-05-08T06:00:00.000Z)|1",
            ])
        #expect(
            try world.rows(
                """
                SELECT p.name, p.colour, p.reentry, z.name, a.valid_from, a.valid_until FROM tapline.passes p
                JOIN tapline.access a ON a.pass_id = p.id JOIN tapline.zones z ON z.id = a.zone_id WHERE p.id > 2 ORDER BY p.id, z.id
                """) == [
                    "Festival + Camping|green|none|Site|-|2026-05-09 00:00:00+00",
                    "Festival + Camping|green|none|Camp|-|-",
                    "Festival (from 2026-05-08T06:00:00.000Z)|green|none|Site|2026-05-08 06:00:00+00|2026-05-09 00:00:00+00",
                ])
        let picture = try world.picture()
        let again = try importPretix(
            order("AAA", "p", camper), order("BBB", "p", position(3, "BBB", 1)), order("CCC", "p", friday))
        #expect(again.unchanged == 3 && again.changed == 0 && again.passesMade == 0 && again.passesChanged == 0)
        #expect(try world.picture() == picture)

        // A cancelled order, a missing order, and a festival that closes earlier: joined passes follow.
        try world.import("name,external_ref\nManual,R-1\n")
        #expect(
            try world.importPasses("name,zone,valid_until\nFestival,Site,2026-05-08T20:00:00Z\n").passesChanged == 3)
        let later = try importPretix(order("AAA", "p", camper), order("CCC", "c", friday)) {
            ($0.voidMissing, $0.allowShrink) = (true, true)
        }
        #expect(later.changed == 1 && later.voided == 1 && later.passesChanged == 0)
        #expect(
            try world.rows("SELECT external_ref, status FROM tapline.attendees ORDER BY id") == [
                "pretix:AAA-1|active", "pretix:BBB-1|void", "pretix:CCC-1|void", "R-1|active",
            ])
        #expect(
            try world.rows(
                """
                SELECT DISTINCT valid_until FROM tapline.access a JOIN tapline.passes p ON p.id = a.pass_id
                WHERE p.name IN ('Festival', 'Festival + Camping') AND valid_until IS NOT NULL
                """) == ["2026-05-08 20:00:00+00"])
        // Prices and addresses are not stored.
        let all = try world.picture().joined()
        #expect(!all.contains("example.org") && !all.contains("99.00"))
    }

    private func tags() throws -> [String] {
        try [1, 2].flatMap { id in
            let tag = try world.key.tagID(of: .code(CodeText("secret-\(id)"))).rawValue
            return try world.rows("SELECT status FROM tapline.tags WHERE tag_id = \(tag)")
        }
    }

    @Test func pretixAddOnCodeIsVoidWhileAddOnIs() throws {
        try world.importPasses(Self.passes)
        func camper(_ status: String, _ more: String = "") -> String {
            order(
                "AAA", status,
                position(1, "AAA", 1) + "," + position(2, "AAA", 2, item: 2, #", "addon_to": 1"# + more))
        }
        let person = "pretix:AAA-1|Person 1|Festival"
        _ = try importPretix(camper("n"))
        #expect(try people() == ["\(person)|void|-|2"])
        let paid = try importPretix(camper("p"))
        #expect(paid.changed == 1 && paid.tagsRestored == 0)
        #expect(try people() == ["\(person)|active|Festival + Camping|2"] && tags() == ["active", "active"])
        for ended in [#", "canceled": true"#, #", "blocked": ["admin"]"#] {
            #expect(try importPretix(camper("p", ended)).tagsLost == 1)
            #expect(try people() == ["\(person)|active|Festival|2"] && tags() == ["active", "void"])
            let picture = try world.picture()
            _ = try importPretix(camper("p", ended))
            #expect(try world.picture() == picture)
            let again = try importPretix(camper("p"))
            #expect(again.tagsRestored == 1 && again.tagsLost == 0)
            #expect(
                try again.description.contains("1 active again") && JSONOutput.line(again).contains(#""restored":1"#))
            #expect(try people() == ["\(person)|active|Festival + Camping|2"] && tags() == ["active", "active"])
        }
        // Manual changes stay: no import makes a lost tag void, or the void code of a ticket active.
        _ = try world.registry.setTag(world.key.tagID(of: .code("secret-1")), .void)
        _ = try world.registry.setTag(world.key.tagID(of: .code("secret-2")), .lost)
        for more in [#", "canceled": true"#, ""] {
            let done = try importPretix(camper("p", more))
            #expect(done.tagsLost == 0 && done.tagsRestored == 0)
            #expect(try tags() == ["void", "lost"])
        }
    }

    @Test func pretixImportKeepsManuallyChangedPass() throws {
        let own = Self.passes + "\nFestival + Camping,gold,,Lounge,,\n"
        try world.importPasses(own)
        let camper = order(
            "AAA", "p", position(1, "AAA", 1) + "," + position(2, "AAA", 2, item: 2, #", "addon_to": 1"#))
        let passes = """
            SELECT p.name, colour, string_agg(z.name, ' ' ORDER BY z.name) FROM tapline.passes p JOIN tapline.access a ON a.pass_id = p.id
            JOIN tapline.zones z ON z.id = a.zone_id GROUP BY p.id ORDER BY p.id
            """
        let expected = ["Festival|green|Site", "Camping|-|Camp", "Festival + Camping|gold|Lounge"]
        let done = try importPretix(camper)
        #expect(done.passesMade == 0 && done.passesChanged == 0)
        #expect(try people() == ["pretix:AAA-1|Person 1|Festival|active|Festival + Camping|2"])
        #expect(try world.rows(passes) == expected)
        try world.importPasses("name,zone\nCamping,Camp\nCamping,Site\n")
        _ = try importPretix(camper)
        #expect(try world.rows(passes) == [expected[0], "Camping|-|Camp Site", expected[2]])
    }

    @Test func manuallyBlockedAttendeeStaysBlocked() throws {
        try world.importPasses(Self.passes)
        func report(_ status: String) throws -> EventbriteCSV {
            let text = "Name,Ticket Type,Attendee #,Barcode #,Attendee Status\nRosa,Festival,11,100110001,\(status)\n"
            return EventbriteCSV(try world.write(text), key: world.key)
        }
        let statuses = "SELECT external_ref, status FROM tapline.attendees ORDER BY id"
        let blocked = ["pretix:AAA-1|blocked", "eventbrite:11|blocked"]
        _ = try importPretix(order("AAA", "p", position(1, "AAA", 1)))
        _ = try world.registry.import(try report("Attending"))
        try world.connection.execute("UPDATE tapline.attendees SET status = 'blocked'")
        for (paid, attending) in [("p", "Attending"), ("c", "Refunded"), ("p", "Attending")] {
            _ = try importPretix(order("AAA", paid, position(1, "AAA", 1)))
            #expect(try world.registry.import(try report(attending)).changed == 0)
            #expect(try world.rows(statuses) == blocked)
        }
        // A CSV list with a status column unblocks the attendee.
        try world.import("external_ref,name,status\npretix:AAA-1,Person 1,active\n")
        #expect(try world.rows(statuses) == ["pretix:AAA-1|active", blocked[1]])
        // pretix itself blocks, too.
        _ = try importPretix(order("AAA", "p", position(1, "AAA", 1, #", "blocked": ["admin"]"#)))
        #expect(try world.rows(statuses) == blocked)
    }

    @Test func pretixContradictionIsReportedByOrder() throws {
        try world.importPasses(Self.passes)
        try world.import("code,name\nsecret-1,Ann\n")
        let error = try #require(throws: ImportRejected.self) {
            try importPretix(order("AAA", "p", position(1, "AAA", 1)))
        }
        #expect(
            error.description.hasPrefix("order AAA-1: the tag of Person 1 already belongs to Ann in the database. If "))
    }

    @Test func eventbriteImportFollowsAttendeeStatus() throws {
        try world.importPasses(Self.passes)
        func report(_ status: String) throws -> EventbriteCSV {
            let text = """
                Order #,First Name,Last Name,Email,Ticket Type,Attendee #,Barcode #,Attendee Status,Total Paid
                1,Rosa,Delgado,rosa@example.org,Festival,11,100110001,Attending,99.00
                2,Sam,Ortiz,sam@example.org,Camping,12,100120001,\(status),99.00
                """
            return EventbriteCSV(try world.write(text), key: world.key)
        }
        let first = try world.registry.import(try report("Attending"))
        #expect(first.added == 2 && first.tagsAdded == 2)
        let picture = try world.picture()
        #expect(try world.registry.import(try report("Checked In")).unchanged == 2)
        #expect(try world.picture() == picture)
        #expect(try world.registry.import(try report("Not Attending")).changed == 1)
        #expect(
            try people() == [
                "eventbrite:11|Rosa Delgado|Festival|active|Festival|1",
                "eventbrite:12|Sam Ortiz|Camping|void|Camping|1",
            ])
        #expect(
            try world.rows(
                "SELECT count(*) FROM tapline.tags WHERE tag_id = \(world.key.tagID(of: .code("100110001")).rawValue)")
                == ["1"])
    }
}
