import LinuxSystem
import Postgres
import Registry
import ScanModel
import Schema
import TestSupport
import Testing

/// Tests the search for people: spellings, order of the matches, and speed.
@Suite(.serialized) struct PeopleSearchTests {
    private let fixture: RegistryFixture
    private var connection: PostgresConnection { fixture.connection }

    init() throws { fixture = try RegistryFixture() }

    /// Two spellings of one name. The database of the test has LC_CTYPE C or any other: the result is the same.
    static let spellings: [(String, String)] = [
        ("Müller", "muller"), ("MÜLLER", "Mu\u{308}ller"), ("José", "JOSE"), ("Nguy\u{1EC5}n", "nguyen"),
        ("Čapek", "capek"), ("Łódź", "lodz"), ("Øst", "ost"), ("Þór", "thor"), ("Æsir", "aesir"), ("Œuvre", "oeuvre"),
        ("Đorđe", "dorde"), ("Ħal", "hal"), ("Straße", "STRASSE"), ("GROẞ", "gross"), ("İpek", "ipek"),
        ("Işık", "isik"), ("I", "i"), ("Ñandú", "nandu"), ("Åse", "ase"), ("A\u{30A}se", "Åse"),
        ("a\u{323}\u{307}", "a\u{307}\u{323}"), ("ﬁne", "fine"), ("Ｍｕｌｌｅｒ", "muller"), ("№5", "no5"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"), ("Ἀθηνᾶ", "αθηνα"), ("Ёлка", "елка"), ("Йод", "иод"), ("O\u{2019}Brien", "O'Brien"),
        ("Jean\u{2011}Luc", "jean-luc"), ("Jean\u{2013}Luc", "jean-luc"), ("שָׁלוֹם", "שלום"),
        ("أحمد", "احمد"), ("إبراهيم", "ابراهيم"), ("آمنة", "امنه"), ("ٱلله", "الله"), ("مؤمن", "مومن"),
        ("رئيس", "رييس"), ("هدى", "هدي"), ("فاطمة", "فاطمه"), ("مُحَمَّد", "محمد"), ("محـــمد", "محمد"),
        ("ﻓﺎﻃﻤﺔ", "فاطمة"), ("ﻻ", "لا"), ("ﷲ", "الله"), ("کریم", "كريم"), ("علی", "علي"), ("ہما", "هما"),
        ("گل\u{200C}ها", "گلها"), ("١٢٣", "123"), ("۴۵۶", "456"), ("١٢", "۱۲"), ("عبد\u{FEFF}الله", "عبدالله"),
        ("\u{202B}سعد\u{202C}", "سعد"), ("رحمٰن", "رحمن"), ("ي\u{654}", "ئ"), ("أ", "ا\u{654}"), ("ۀ", "ه"),
        ("한", "\u{1112}\u{1161}\u{11AB}"), ("ｶﾞ", "ガ"), ("A\u{AD}nn", "ann"),
    ]

    @Test func spellingsOfOneNameFoldToOneText() throws {
        #expect(Self.spellings.count >= 60)
        for (left, right) in Self.spellings {
            let folded = try connection.query(
                "SELECT tapline_internal.fold($1), tapline_internal.fold($2)", [.text(left), .text(right)])
            #expect(folded.text(0, 0) == folded.text(0, 1), "\(left) \(right)")
            #expect(!folded.text(0, 0).isEmpty, "\(left)")
        }
    }

    @Test func differentNamesStayDifferent() throws {
        for (left, right) in [
            ("احمد", "حمد"), ("سعيد", "سعد"), ("Muller", "Mueller"), ("ب", "ت"), ("ص", "ض"), ("か", "が"), ("क", "कि"),
            ("علا", "علاء"), ("O'Brien", "OBrien"),
        ] {
            #expect(
                try connection.query(
                    "SELECT tapline_internal.fold($1) <> tapline_internal.fold($2)", [.text(left), .text(right)]
                ).bool(0, 0), "\(left) \(right)")
        }
    }

    @Test func allWordsMustOccurAndExactMatchesComeFirst() throws {
        try connection.execute(
            """
            INSERT INTO tapline.attendees (id, name, category, external_ref) VALUES
                (1, 'Ann Lee Smith', 'Guest', 'R-1'), (2, 'Ann Lee', 'VIP', 'R-2'), (3, 'Bo Ann', NULL, NULL),
                (4, 'Leeann 100%', 'Guest', 'Ann Lee'), (5, 'Un_der \\', NULL, '77'), (6, 'Under', NULL, '78');
            INSERT INTO tapline.tags (tag_id, attendee_id) VALUES (77, 3), (-9223372036854775808, 1);
            """)
        func found(_ text: String) throws -> [String] {
            try fixture.registry.findAttendees(text, atMost: 10).matches.map { "\($0.id) \($0.match.rawValue)" }
        }
        #expect(try found("Ann Lee") == ["4 reference", "2 name", "1 part"])
        #expect(try found("ANN  lee") == ["2 name", "4 name", "1 part"])
        #expect(try found("r-2") == ["2 name"])
        #expect(try found("lee guest") == ["1 part", "4 part"])
        #expect(try found("77") == ["5 reference", "3 tag"])
        #expect(try found("-9223372036854775808") == ["1 tag"])
        #expect(try found("99999999999999999999") == [])
        #expect(try ["%", "_", "\\", "", " \u{300} "].map(found) == [["4 part"], ["5 part"], ["5 part"], [], []])
        let first = try fixture.registry.findAttendees("ann", atMost: 2)
        #expect(first.matches.count == 2 && first.more)
        let all = try fixture.registry.findAttendees("ann", atMost: 4)
        #expect(all.matches.count == 4 && !all.more)
        #expect(throws: RegistryError.searchTooLong) {
            try fixture.registry.findAttendees(String(repeating: "a", count: 201), atMost: 1)
        }
        #expect(try found(String(repeating: "a ", count: 100)).count == 4)
    }

    @Test func codesAndUIDsAreFoundWithTheEventKey() throws {
        try fixture.import("code,uid,name,zones,external_ref\nA-17,,Ann,Hall,R-1\n,04a1b2c3,Ben,Hall,R-2\n")
        func names(_ text: String, _ key: EventKey?) throws -> [String] {
            try fixture.registry.findAttendees(text, atMost: 10, key: key).matches.map(\.name)
        }
        #expect(try names("A-17", fixture.key) == ["Ann"])
        #expect(try names("04:A1:B2:C3", fixture.key) == ["Ben"])
        #expect(try names("A-17", nil) == [])
        #expect(try names("04a1b2c3", nil) == [])
        let chosen = try fixture.registry.chooseAttendee("A-17", key: fixture.key)
        #expect(chosen.tag == fixture.key.tagID(of: .code("A-17")))
    }

    @Test func unknownReferenceSuggestsTheNearestReference() throws {
        try connection.execute(
            "INSERT INTO tapline.attendees (name, external_ref) VALUES ('Ann Lee', 'D-000105'), ('Bo', 'D-200000')")
        do {
            _ = try fixture.registry.chooseAttendee("D-000106")
            Issue.record("a person was chosen")
        } catch RegistryError.attendeeMissing(let unknown) {
            #expect(unknown.near == ["D-000105"])
        }
    }

    /// The limit of the display. The fastest of five runs, because other tests run at the same time.
    @Test func hundredThousandPeopleAreSearchedWithin200Ms() throws {
        try connection.execute(
            """
            INSERT INTO tapline.attendees (name, category, external_ref)
            SELECT (ARRAY['José', 'Müller', 'Anna', 'أحمد', 'فاطمة', 'Søren', 'John', 'محمد', 'Zoë'])[1 + i % 9] || ' '
                || (ARRAY['Smith', 'García', 'Čapek', 'الحسن', 'هدى', 'O''Brien', 'Nguyễn'])[1 + i % 7] || ' ' || i,
                (ARRAY['Guest', 'VIP', 'Crew'])[1 + i % 3], 'R-' || i FROM generate_series(1, 100000) i;
            INSERT INTO tapline.tags (tag_id, attendee_id) SELECT i, i FROM generate_series(1, 100000) i;
            ANALYZE tapline.attendees; ANALYZE tapline.tags;
            """)
        for (text, count) in [
            ("muller garcia", 50), ("احمد", 50), ("هدي 99", 50), ("a", 50), ("no such person", 0), ("R-77777", 1),
            ("77777", 1),
        ] {
            var bestMs = Int64.max
            for _ in 0..<5 {
                let startMs = SystemClock.monotonicMs()
                let found = try fixture.registry.findAttendees(text, atMost: 50)
                bestMs = min(bestMs, SystemClock.monotonicMs() - startMs)
                #expect(found.matches.count == count, "\(text)")
            }
            #expect(bestMs < 200, "\(text): \(bestMs) ms")
        }
    }
}
