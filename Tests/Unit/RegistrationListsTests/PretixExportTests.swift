import ErrorModel
import ScanModel
import TestSupport
import Testing

@testable import RegistrationLists

@Suite struct PretixExportTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    /// An order in the format of pretix, with prices and addresses.
    private static func order(
        _ code: String, status: String = "p", isTest: Bool = false, more: String = "", _ positions: String...
    ) -> String {
        """
        {"code": "\(code)", "event": "fair", "status": "\(status)", "testmode": \(isTest), "secret": "k24fiuwvu8kxz3y1",
         "email": "buyer@example.org", "phone": "+4912345", "locale": "en", "sales_channel": "web", "datetime": "2026-05-01T10:00:00Z",
         "expires": "2026-05-10T10:00:00Z", "total": "23.00", "fees": [], "payments": [], "refunds": [], "comment": "",
         "invoice_address": {"company": "", "name": "Bea Buyer", "street": "Test street 12", "country": "AE", "vat_id": ""},
         \(more.isEmpty ? "" : more + ",") "positions": [\(positions.joined(separator: ","))]}
        """
    }

    private static func position(
        _ id: Int, _ order: String, _ number: Int, item: String = "1345", name: String? = nil, secret: String? = "auto",
        more: String = ""
    ) -> String {
        """
        {"id": \(id), "order": "\(order)", "positionid": \(number), "item": \(item), "price": "23.00", "tax_rate": "19.00",
         "attendee_name": \(name.map { "\"\($0)\"" } ?? "null"), "attendee_email": "ann@example.org", "voucher": null,
         "secret": \(secret.map { $0 == "auto" ? "\"secret-\(id)\"" : "\"\($0)\"" } ?? "null"), "subevent": null,
         "pseudonymization_id": "MQLJvANO3B", "seat": null, "checkins": [], "answers": [{"question": 12, "answer": "Foo"}],
         "downloads": [] \(more.isEmpty ? "" : "," + more)}
        """
    }

    private static func page(_ elements: String...) -> String {
        #"{"count": \#(elements.count), "next": null, "previous": null, "results": [\#(elements.joined(separator: ","))]}"#
    }

    private static let items = page(
        """
        {"id": 1345, "name": {"de": "Festivalkarte", "en": "Festival"}, "internal_name": null, "admission": true, "default_price": "99.00",
         "variations": [{"id": 1, "value": {"en": "Friday"}, "active": true}, {"id": 2, "value": "Saturday"}]}
        """,
        #"{"id": 1346, "name": {"de": "Zeltplatz"}, "internal_name": "Camping", "admission": false, "variations": []}"#,
        #"{"id": 1347, "name": {"en": "T-shirt"}, "internal_name": "", "admission": false, "variations": []}"#)

    private func read(
        _ texts: String..., passes: Set<String> = ["Festival", "Festival / Friday", "Camping"]
    ) throws -> ListFiles.Found {
        let paths = try texts.enumerated().map { try files.write($0.element, "page-\($0.offset).json") }
        return try files.read(PretixExport(paths, key: files.key), passes: passes)
    }

    @Test func ordersBecomeAttendeesWithAddOns() throws {
        let found = try read(
            Self.items,
            Self.page(
                Self.order(
                    "ABC12", Self.position(1, "ABC12", 1, name: "Ann", more: #""variation": 1, "addon_to": null"#),
                    Self.position(2, "ABC12", 2, item: "1346", more: #""variation": null, "addon_to": 1"#),
                    Self.position(3, "ABC12", 3, item: "1347", secret: nil, more: #""addon_to": 1"#),
                    Self.position(4, "ABC12", 4, name: "  ", more: #""variation": 2"#)),
                Self.order("SHIRT", Self.position(5, "SHIRT", 1, item: "1347"))))
        #expect(found.problems.isEmpty && found.skipped == 1)
        #expect(found.rows.map(\.externalRef) == ["pretix:ABC12-1", "pretix:ABC12-4"])
        #expect(found.rows.map(\.name) == ["Ann", "Bea Buyer"])
        #expect(found.rows.map(\.category) == ["Festival / Friday", "Festival / Saturday"])
        #expect(
            found.rows.map(\.access) == [
                .passes([.init(pass: "Festival / Friday"), .init(pass: "Camping")]), .passes([.init(pass: "Festival")]),
            ])
        #expect(
            found.rows.map { $0.tags.map(\.id) } == [
                [files.tag("secret-1"), files.tag("secret-2")], [files.tag("secret-4")],
            ])
    }

    @Test func endedAddOnGivesNoPassAndUnpaidAddOnKeepsCode() throws {
        func order(_ code: String, _ id: Int, _ status: String, _ more: String = "") -> String {
            Self.order(
                code, status: status, Self.position(id, code, 1),
                Self.position(id + 1, code, 2, item: "1346", more: #""addon_to": \#(id)"# + more))
        }
        let found = try read(
            Self.items,
            Self.page(
                order("OPEN", 1, "n"), order("PAID", 3, "p"), order("CANC", 5, "p", #", "canceled": true"#),
                order("BLOCK", 7, "p", #", "blocked": ["api:x"]"#), order("GONE", 9, "c", #", "canceled": true"#)))
        let (festival, camping) = (
            RegistrationRow.AccessSet.Part(pass: "Festival"), RegistrationRow.AccessSet.Part(pass: "Camping")
        )
        #expect(
            found.rows.map(\.access) == [
                nil, .passes([festival, camping]), .passes([festival]), .passes([festival]), nil,
            ])
        #expect(found.rows.map(\.status) == [.void, .active, .active, .active, .void])
        #expect(
            found.rows.map { $0.tags.map(\.status) } == [
                [.active, .active], [.active, .active], [.active, .void], [.active, .void], [.active, .void],
            ])
        #expect(found.rows.allSatisfy { $0.tags.map(\.isRestorable) == [false, true] })
    }

    @Test func statusFollowsOrderAndPosition() throws {
        var id = 0
        func one(
            _ code: String, _ status: String, _ order: String = "", _ position: String = "", isTest: Bool = false
        ) -> String {
            id += 1
            return Self.order(
                code, status: status, isTest: isTest, more: order, Self.position(id, code, 1, more: position))
        }
        let found = try read(
            Self.items,
            Self.page(
                one("PAID", "p"), one("PEND", "n"), one("PENDOK", "n", #""valid_if_pending": true"#), one("EXP", "e"),
                one("CANC", "c"),
                one("REF", "r"), one("TEST", "p", isTest: true), one("APPR", "p", #""require_approval": true"#),
                one("POSC", "p", "", #""canceled": true"#), one("BLOCK", "p", "", #""blocked": ["admin"]"#),
                one("FREE", "p", "", #""blocked": []"#),
                one("BOTH", "c", "", #""blocked": ["admin"], "canceled": false"#)))
        #expect(found.problems.isEmpty && found.skipped == 1)
        let statuses = Dictionary(uniqueKeysWithValues: found.rows.map { ($0.externalRef ?? "", $0.status) })
        #expect(
            statuses == [
                "pretix:PAID-1": .active, "pretix:PEND-1": .void, "pretix:PENDOK-1": .active, "pretix:EXP-1": .void,
                "pretix:CANC-1": .void,
                "pretix:REF-1": .void, "pretix:APPR-1": .void, "pretix:POSC-1": .void, "pretix:BLOCK-1": .blocked,
                "pretix:FREE-1": .active, "pretix:BOTH-1": .void,
            ])
    }

    /// A CSV list with such a reference is refused, so an export could not be imported again.
    @Test func controlCharactersInOrderCodeAreRefused() throws {
        func one(_ id: Int, _ code: String) -> String { Self.order(code, Self.position(id, code, 1, name: "Ann")) }
        let orders = Self.page(one(1, "AB"), one(2, #"A\tB"#), one(3, #"A\nB"#), one(4, #"A\u200BB"#))
        let found = try read(Self.items, orders)
        #expect(found.rows.map(\.externalRef) == ["pretix:AB-1"])
        #expect(
            found.problems == [
                #"order A\u{9}B-1: the reference holds the invisible character U+0009: remove it"#,
                #"order A\u{A}B-1: the reference holds the invisible character U+000A: remove it"#,
                #"order A\u{200B}B-1: the reference holds the invisible character U+200B: remove it"#,
            ])
    }

    @Test func checkInListIsReadExpandedOrWithOrders() throws {
        let expanded = #"{"id": 9, "name": {"en": "Gala"}, "internal_name": null, "admission": true}"#
        let list = Self.page(
            Self.position(
                1, "AAA", 1, item: expanded, name: "Ann",
                more: #""variation": {"id": 4, "value": {"en": "Early"}}, "require_attention": false"#),
            Self.position(2, "AAA", 2, name: "Ben", more: #""order__status": "n""#),
            // An add-on whose ticket is not in this list.
            Self.position(3, "BBB", 7, item: "1346", name: "Cleo", more: #""addon_to": 99"#))
        let alone = try read(list, Self.items, passes: ["Gala", "Festival", "Camping"])
        #expect(alone.problems.isEmpty)
        #expect(alone.rows.map(\.category) == ["Gala / Early", "Festival", "Camping"])
        #expect(alone.rows.map(\.status) == [.active, .void, .active])
        let withOrders = try read(
            list, "[" + Self.order("AAA", status: "c", Self.position(1, "AAA", 1, item: expanded, name: "Anna")) + "]",
            Self.items,
            passes: ["Gala", "Festival", "Camping"])
        #expect(withOrders.rows.map(\.name) == ["Anna", "Ben", "Cleo"])
        #expect(withOrders.rows.map(\.status) == [.void, .void, .active])
    }

    @Test func timesRestrictPassInWholeSeconds() throws {
        let times = #""valid_from": "2026-05-06T08:00:00.123456+02:00", "valid_until": null"#
        let found = try read(
            Self.items, "[" + Self.order("T", Self.position(1, "T", 1, name: "Ann", more: times)) + "]")
        #expect(found.rows.map(\.access) == [.passes([.init(pass: "Festival", from: 1_778_047_200_000_000)])])
        for (times, word) in [
            (#""valid_from": "yesterday""#, "'yesterday' is not an RFC 3339 time"),
            (#""valid_from": "2026-05-06T08:00:00Z", "valid_until": "2026-05-06T08:00:00Z""#, "not before"),
        ] {
            let bad = try read(Self.items, "[" + Self.order("T", Self.position(1, "T", 1, more: times)) + "]")
            #expect(
                bad.problems.count == 1 && bad.problems[0].hasPrefix("order T-1: ") && bad.problems[0].contains(word))
        }
    }

    @Test func itemWithoutNameIsReportedOnce() throws {
        let orders = (1...25).map { Self.order("A\($0)", Self.position($0, "A\($0)", 1, item: "7")) }
        let found = try read("[" + orders.joined(separator: ",") + "]")
        #expect(found.problems.count == 1)
        #expect(found.problems.first?.hasPrefix("order A1-1: item 7 has no name: ") == true)
        #expect(found.problems.first?.hasSuffix("(25 positions)") == true)
    }

    @Test func invalidPositionIsReportedWithOrder() throws {
        let found = try read(
            Self.items,
            Self.page(
                Self.order("A", Self.position(1, "A", 1, item: "7")),
                Self.order("B", status: "x", Self.position(2, "B", 1)),
                Self.order("C", Self.position(3, "C", 1, secret: nil)),
                Self.order("D", Self.position(4, "D", 1, secret: String(repeating: "s", count: 257))),
                Self.order("E", Self.position(5, "E", 1, more: #""variation": 1"#))), passes: ["Camping"])
        #expect(found.rows.isEmpty)
        let expected = [
            "order B-1: status 'x' is not one of n, p, e, c, r",
            "order C-1: there is no pass 'Festival'", "order D-1: there is no pass 'Festival'",
            "order E-1: there is no pass 'Festival / Friday' or 'Festival'", "order A-1: item 7 has no name: ",
        ]
        #expect(found.problems.count == expected.count)
        for (problem, beginning) in zip(found.problems, expected) {
            #expect(problem.hasPrefix(beginning), "\(problem)")
        }
        let secrets = try read(
            Self.items,
            Self.page(
                Self.order("C", Self.position(3, "C", 1, secret: nil)),
                Self.order("D", Self.position(4, "D", 1, secret: String(repeating: "s", count: 257)))))
        #expect(
            secrets.problems.count == 2 && secrets.problems[0].contains("no secret")
                && secrets.problems[1].contains("the secret has 257 bytes, but at most 256"))
    }

    /// The decoder takes many times the memory of such a text.
    @Test func depthAndNumberOfValuesAreLimited() throws {
        func problem(_ json: String) -> String? { JSONLimits.problem(Array(json.utf8)) }
        let deep = JSONLimits.depth
        let nested = String(repeating: "[", count: deep) + String(repeating: "]", count: deep)
        #expect(problem(nested) == nil)
        for json in ["[" + nested + "]", String(repeating: "{\"a\":", count: deep + 1)] {
            #expect(problem(json) == "objects or arrays of more than \(deep) levels")
        }
        // Not in texts.
        #expect(problem("[\"" + String(repeating: "[{,:\\\"", count: 100_000) + "\"]") == nil)
        let many = Array(repeating: "0", count: JSONLimits.values).joined(separator: ",")
        #expect(problem(many) == nil)
        #expect(problem("[" + many + "]")?.hasPrefix("more than \(JSONLimits.values) names and values") == true)
        #expect(problem(Self.page(Self.order("A", Self.position(1, "A", 1, name: "Ann")))) == nil)
        let path = try files.write("[" + nested + "]", "deep.json")
        let error = try #require(throws: RegistrationListError.self) { try PretixExport([path], key: files.key) }
        #expect("\(error)".contains("levels; nothing was stored"))
    }

    @Test func fileOfAnySizeIsNotHeld() throws {
        let path = try files.write("[]", "huge.json")
        try HostileFile.makeSparse(path)
        let error = try #require(throws: RegistrationListError.self) { try PretixExport([path], key: files.key) }
        #expect("\(error)".contains("more than 64 MiB: give the pages as several files"))
    }

    @Test func invalidAnswerIsRejectedWithPath() throws {
        for (text, words) in [
            ("", ["page-0.json: "]), ("{", ["page-0.json: "]), ("[1]", ["page-0.json: [0]"]),
            (#"{"detail": "Authentication credentials were not provided."}"#, ["not an order"]),
            (#"{"results": [{"code": "A", "positions": []}]}"#, ["results[0]", "'status' is missing"]),
            (
                Self.page(Self.order("A", Self.position(1, "A", 1), #"{"id": "x", "positionid": 2}"#)),
                ["results[0].positions[1].id"]
            ),
            (Self.page(), ["no order and no order position"]), ("[]", ["no order and no order position"]),
        ] {
            let error = try #require(throws: RegistrationListError.self) { try read(text) }
            #expect(error.category == .failure)
            for word in words { #expect(error.description.contains(word), "\(error)") }
        }
    }
}
