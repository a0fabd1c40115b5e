import ErrorModel
import Testing

@testable import RegistrationLists

@Suite struct PretixPagesTests {
    private static let list = "https://pretix.example/api/v1/organizers/o/events/e/orders/"

    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private static func order(_ number: Int) -> String {
        """
        {"code": "A\(number)", "status": "p", "positions": [{"id": \(number), "positionid": 1, "order": "A\(number)",
         "item": 1, "attendee_name": "P \(number)", "secret": "s\(number)"}]}
        """
    }

    private static func page(
        _ orders: ClosedRange<Int>, count: Int?, next: String? = nil, previous: String? = nil
    ) -> String {
        func link(_ link: String?) -> String { link.map { "\"\($0)\"" } ?? "null" }
        return """
            {\(count.map { "\"count\": \($0), " } ?? "")"next": \(link(next)), "previous": \(link(previous)),
             "results": [\(orders.map(order).joined(separator: ","))]}
            """
    }

    /// Page K of N with one order each.
    private static func page(_ number: Int, of last: Int, count: Int? = nil, filter: String = "") -> String {
        func link(_ page: Int) -> String {
            let query = (page == 1 ? [] : ["page=\(page)"]) + (filter.isEmpty ? [] : [filter])
            return list + (query.isEmpty ? "" : "?") + query.joined(separator: "&")
        }
        return page(
            number...number, count: count ?? last, next: number < last ? link(number + 1) : nil,
            previous: number > 1 ? link(number - 1) : nil)
    }

    private static let items =
        #"{"count": 1, "next": null, "previous": null, "results": [{"id": 1, "name": {"en": "Festival"}, "admission": true}]}"#

    private func read(_ texts: String...) throws -> [String] {
        let paths = try (texts + [Self.items]).enumerated().map {
            try files.write($0.element, "page-\($0.offset + 1).json")
        }
        return try files.read(PretixExport(paths, key: files.key), passes: ["Festival"]).rows.map(\.name)
    }

    private func refusal(_ texts: String...) throws -> String {
        let error = try #require(throws: RegistrationListError.self) {
            let paths = try (texts + [Self.items]).enumerated().map {
                try files.write($0.element, "page-\($0.offset + 1).json")
            }
            _ = try PretixExport(paths, key: files.key)
        }
        #expect(error.category == .failure)
        return error.description
    }

    @Test func allPagesInAnyOrderAreTaken() throws {
        #expect(try read(Self.page(1, of: 3), Self.page(2, of: 3), Self.page(3, of: 3)) == ["P 1", "P 2", "P 3"])
        #expect(try read(Self.page(3, of: 3), Self.page(1, of: 3), Self.page(2, of: 3)) == ["P 3", "P 1", "P 2"])
        let (first, second) = (
            Self.page(1, of: 2, filter: "status=p&expand=item"), Self.page(2, of: 2, filter: "expand=item&status=p")
        )
        #expect(try read(first, second).count == 2)
        #expect(try read(Self.page(1...20, count: 20)).count == 20)
        #expect(try read(Self.page(1...2, count: nil)).count == 2)
    }

    @Test func missingPageIsRefused() throws {
        let next = try refusal(Self.page(1...20, count: 21, next: Self.list + "?page=2"))
        #expect(next.contains("page 2 is missing") && next.contains("20 of 21") && next.contains("page-1.json"))
        #expect(next.hasPrefix("the list is incomplete, nothing was stored: "))
        #expect(try refusal(Self.page(1, of: 3), Self.page(3, of: 3)).contains("page 2 is missing"))
        #expect(try refusal(Self.page(2, of: 3), Self.page(3, of: 3)).contains("page 1 is missing"))
        #expect(try refusal(Self.page(1, of: 3), Self.page(2, of: 3)).contains("page 3 is missing"))
        // As many results as counted, but the link leads to one more page.
        #expect(try refusal(Self.page(1...20, count: 20, next: Self.list + "?page=2")).contains("page 2 is missing"))
        #expect(try refusal(Self.page(1...2, count: nil, next: Self.list + "?page=2")).contains("page 2 is missing"))
        // The pages of another list do not replace it.
        #expect(
            try refusal(Self.page(1, of: 2), Self.page(2, of: 2, filter: "status=n")).contains("page 2 is missing"))
    }

    @Test func fewerResultsThanCountedAreRefused() throws {
        #expect(try refusal(Self.page(1...20, count: 21)).contains("20 results, but pretix counted 21"))
        // An order was added between the requests, and moved the others.
        let moved = try refusal(
            Self.page(1...2, count: 3, next: Self.list + "?page=2"),
            Self.page(2...3, count: 4, previous: Self.list))
        #expect(moved.contains("3 results, but pretix counted 4") && moved.contains("changed during the download"))
        let items = #"{"count": 2, "next": null, "results": [{"id": 2, "name": {"en": "Tent"}, "admission": true}]}"#
        #expect(try refusal(Self.page(1, of: 1), items).contains("1 results, but pretix counted 2"))
    }

    @Test func duplicatePageIsRefused() throws {
        let twice = try refusal(Self.page(1, of: 2), Self.page(2, of: 2), Self.page(1, of: 2))
        #expect(twice.contains("page-3.json and ") && twice.contains("are both page 1"))
        #expect(try refusal(Self.page(1, of: 1), Self.page(1, of: 1)).contains("same results as"))
    }

    @Test func invalidLinkIsRefused() throws {
        for page in ["0", "x", "99999999999999999999", ""] {
            #expect(
                try refusal(Self.page(1...1, count: 1, next: Self.list + "?page=\(page)")).contains("no valid page"))
        }
    }
}
