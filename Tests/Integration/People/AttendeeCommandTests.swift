import FoundationEssentials
import Postgres
import Registry
import ScanModel
import TestSupport
import Testing

/// Tests the commands that name a person: the choice, the changes, and lists that fit a terminal.
@Suite struct AttendeeCommandTests {
    private let fixture: RegistryFixture
    private let folder = TemporaryFolder("attendees")

    init() throws {
        fixture = try RegistryFixture()
        try fixture.connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone) VALUES ('Fair', 'Asia/Dubai');
            INSERT INTO tapline.passes (id, name) VALUES (1, 'Delegate'), (2, 'Crew');
            INSERT INTO tapline.attendees (id, name, category, external_ref, pass_id) VALUES
                (1, 'Zoë Müller', 'Guest', 'R-1', 1), (2, 'Zoe Miller', 'VIP', 'R-2', 1), (3, 'Ann Lee', NULL, NULL, 1),
                (4, 'ANN LEE', NULL, 'R-4', NULL), (5, repeat('Very long name ', 16), repeat('c', 200), 'R-5', NULL),
                (6, 'María García', NULL, 'R-6', 1), (7, 'Void Person', NULL, 'R-7', 1);
            UPDATE tapline.attendees SET status = 'void' WHERE id = 7;
            INSERT INTO tapline.tags (tag_id, attendee_id, status) VALUES
                (101, 1, 'active'), (102, 1, 'lost'), (201, 2, 'active'), (202, 2, 'active'), (301, 3, 'active'),
                (601, 6, 'active');
            """)
    }

    private func run(_ arguments: String...) throws -> Run {
        try Run.it("tapline-center", arguments + ["--database-url", fixture.database.url])
    }

    private func succeed(_ arguments: String..., at location: SourceLocation = #_sourceLocation) throws -> [String] {
        let run = try Run.it("tapline-center", arguments + ["--database-url", fixture.database.url])
        #expect(run.end == .exit(0), "\(arguments): \(run.errors)", sourceLocation: location)
        return run.lines
    }

    /// Returns the error in the log line of a command that failed.
    private func message(_ run: Run) throws -> String {
        struct Line: Decodable { let error: String }
        let line = try #require(run.errors.split(separator: "\n").last)
        return try JSONDecoder().decode(Line.self, from: Data(line.utf8)).error
    }

    private func status(of tag: Int64) throws -> String {
        try fixture.connection.query("SELECT status FROM tapline.tags WHERE tag_id = $1", [.int64(tag)]).text(0, 0)
    }

    private func status(ofAttendee id: Int64) throws -> String {
        try fixture.connection.query("SELECT status FROM tapline.attendees WHERE id = $1", [.int64(id)]).text(0, 0)
    }

    @Test func peopleAreFoundInAnySpelling() throws {
        #expect(
            try succeed("attendee", "find", "MULLER", "zoe") == [
                "id  name        reference  category  status  tags",
                " 1  Zoë Müller  R-1        Guest     active     2",
            ])
        #expect(
            try succeed("attendee", "find", "R-6", "--output", "json") == [
                #"{"matches":[{"category":null,"external_ref":"R-6","id":6,"name":"María García","status":"active","tags":1}],"#
                    + #""more":false}"#
            ])
        let limited = try succeed("attendee", "find", "zo", "--limit", "1")
        #expect(limited.last == "more people match: use more words, or --limit")
        let long = try succeed("attendee", "find", "very long")
        #expect(long.count == 2 && long[1].count <= 100 && long[1].contains("…"), "\(long)")
    }

    @Test func unknownNameSuggestsTheNearest() throws {
        for (text, name) in [
            ("Garcai", "María García"), ("Zoe Mueler", "Zoe Miller"), ("maria gacria", "María García"),
        ] {
            let missing = try run("attendee", "find", text)
            #expect(missing.end == .exit(1) && missing.errors.contains("'\(name)'"), "\(text): \(missing.errors)")
        }
        let missing = try run("attendee", "show", "Xavier Quux")
        #expect(
            missing.end == .exit(1) && missing.errors.contains("no person is found by 'Xavier Quux'"),
            "\(missing.errors)")
        #expect(try succeed("attendee", "find", "Xavier", "--output", "json") == [#"{"matches":[],"more":false}"#])
    }

    /// A wrong choice would refuse the wrong person, so nothing is changed.
    @Test func ambiguousNameIsListedAndNothingChanges() throws {
        for arguments in [["attendee", "block"], ["tag", "revoke"], ["attendee", "erase", "--confirm"]] {
            let run = try Run.it("tapline-center", arguments + ["ann lee", "--database-url", fixture.database.url])
            #expect(run.end == .exit(1))
            #expect(run.errors.contains("'ann lee' matches 2 people; nothing was changed"), "\(run.errors)")
            #expect(run.errors.contains(" 3  Ann Lee") && run.errors.contains(" 4  ANN LEE  R-4"), "\(run.errors)")
            #expect(run.errors.contains("--id N"))
            let lines = try message(run).split(separator: "\n")
            #expect(lines.count == 5 && lines.allSatisfy { $0.count <= 96 }, "\(lines)")
        }
        #expect(try status(of: 301) == "active" && status(ofAttendee: 3) == "active")
        _ = try succeed("attendee", "block", "--id", "3")
        #expect(try status(ofAttendee: 3) == "blocked")
        #expect(try status(ofAttendee: 4) == "active")
    }

    @Test func blockIsSetAndEnded() throws {
        #expect(try succeed("attendee", "block", "garcia") == ["María García (R-6) is blocked"])
        #expect(
            try succeed("attendee", "block", "R-6") == ["María García (R-6) is blocked already; nothing was changed"])
        #expect(try status(ofAttendee: 6) == "blocked")
        #expect(try succeed("attendee", "unblock", "601") == ["María García (R-6) is active"])
        #expect(try status(ofAttendee: 6) == "active")
        let void = try run("attendee", "unblock", "R-7")
        #expect(void.end == .exit(1) && void.errors.contains("ticket of Void Person is void"), "\(void.errors)")
    }

    @Test func personIsAddedAndGetsAnotherPass() throws {
        let added = try succeed(
            "attendee", "add", "Zoe Muller", "--reference", "R-9", "--category", "VIP", "--pass", "Crew", "--tag", "901"
        )
        #expect(added.count == 2 && added[1].hasPrefix("1 other people have the same name"), "\(added)")
        #expect(
            try fixture.rows(
                """
                SELECT a.name, category, external_ref, p.name, tag_id FROM tapline.attendees a
                JOIN tapline.passes p ON p.id = pass_id JOIN tapline.tags t ON t.attendee_id = a.id WHERE a.id > 7
                """) == ["Zoe Muller|VIP|R-9|Crew|901"])
        #expect(
            try succeed("attendee", "set-pass", "R-9", "--pass", "Delegate") == ["Zoe Muller (R-9) has pass 'Delegate'"]
        )
        #expect(try succeed("attendee", "set-pass", "R-9", "--pass", "") == ["Zoe Muller (R-9) has no pass"])
        let wrong = try run("attendee", "set-pass", "R-9", "--pass", "Delegat")
        #expect(wrong.end == .exit(1) && wrong.errors.contains("'Delegate' exists"), "\(wrong.errors)")
        for (arguments, words) in [
            (["X", "--reference", "R-1"], "exists already"), (["X", "--tag", "101"], "already belongs to Zoë Müller"),
            ([" X"], "blanks"), (["X", "--pass", "None"], "there is no pass"),
        ] {
            let run = try Run.it(
                "tapline-center", ["attendee", "add"] + arguments + ["--database-url", fixture.database.url])
            #expect(run.end == .exit(1) && run.errors.contains(words), "\(arguments): \(run.errors)")
        }
        #expect(try fixture.rows("SELECT count(*) FROM tapline.attendees WHERE name = 'X'") == ["0"])
    }

    @Test func tagIsRevokedByNameReferenceOrTag() throws {
        #expect(try succeed("tag", "revoke", "zoe muller") == ["tag 101 of Zoë Müller is lost"])
        #expect(try status(of: 101) == "lost")
        let none = try run("tag", "revoke", "R-1")
        #expect(none.end == .exit(1) && none.errors.contains("has no active tag"), "\(none.errors)")
        let several = try run("tag", "revoke", "R-2")
        #expect(several.end == .exit(1) && several.errors.contains("has 2 tags: 201, 202"), "\(several.errors)")
        #expect(try status(of: 201) == "active" && status(of: 202) == "active")
        #expect(try succeed("tag", "revoke", "202", "--status", "void") == ["tag 202 of Zoe Miller is void"])
        #expect(try succeed("tag", "revoke", "R-2", "--all-tags") == ["tag 201 of Zoe Miller is lost"])
        #expect(try run("tag", "revoke").end == .exit(64))
        #expect(try run("tag", "revoke", "R-2", "--tag", "201").end == .exit(64))
        #expect(try run("tag", "revoke", "--tag", "201", "--all-tags").end == .exit(64))
    }

    @Test func tagIsReplacedByName() throws {
        #expect(
            try succeed("tag", "replace", "garcia", "--new-tag", "602") == [
                "María García now has tag 602; tag 601 is lost"
            ])
        #expect(try status(of: 601) == "lost" && status(of: 602) == "active")
    }

    @Test func personIsShownWithTagsAndTrack() throws {
        try fixture.connection.execute(
            """
            INSERT INTO tapline.zones (id, name) VALUES (1, 'Hall');
            INSERT INTO tapline.gates (id, name, zone_id) VALUES (1, 'Door', 1);
            INSERT INTO tapline.scanners (id) VALUES ('s-1');
            INSERT INTO tapline.journals (id, log, scanner_id) VALUES (1, gen_random_uuid(), 's-1');
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (101, '2026-06-01 10:00Z', 1, 1, 1, 0);
            """)
        try ScanRows.insert(
            fixture.connection,
            "VALUES (1, 1, 101, '2026-06-01 10:00Z'::timestamptz, 0, 0, 1, 5, '2026-06-01 10:00:01Z'::timestamptz)")
        let lines = try succeed("attendee", "show", "R-1", "--day", "2026-06-01")
        #expect(
            lines.prefix(8).contains("tags: 101 active, 102 lost") && lines.contains("now: not seen on this event day"))
        #expect(lines.contains("track of 2026-06-01, times of Asia/Dubai:"))
        #expect(lines.last == "14:00:00  in         Door  Hall  admitted  101", "\(lines)")
        #expect(try succeed("attendee", "show", "R-1").last?.hasSuffix(": no scan") == true)
        let json = try succeed("attendee", "show", "R-1", "--day", "2026-06-01", "--output", "json")
        #expect(json.count == 1 && json[0].contains(#""time" : "2026-06-01T10:00:00.000Z""#), "\(json)")
        #expect(try run("attendee", "show", "R-1", "--day", "june").end == .exit(64))
        #expect(try run("attendee", "show", "--id", "99").end == .exit(1))
    }
}
