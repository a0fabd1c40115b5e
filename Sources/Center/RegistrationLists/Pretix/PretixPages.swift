/// The pages of the lists that the API of pretix returned. It finds the pages that are missing or given twice.
///
/// Each page has the number of results in its whole list (`count`), and links to the pages beside it. The links also
/// give the number of the page itself. Pages belong to the same list if their links are equal without the page number.
/// A page without links is a whole list.
struct PretixPages {
    /// One page, without its results.
    private struct Page {
        let path: String
        /// `nil`: the file has none, as an array of results.
        let count: Int?
        let results: Set<PretixElement.Identity>
        let next: Int?
        let previous: Int?

        /// The number of the page in its list, from 1; `nil` if it has no links.
        var number: Int? { next.map { $0 - 1 } ?? previous.map { $0 + 1 } }
    }

    /// The pages by the link to their list.
    private var lists: [String: [Page]] = [:]
    private var links: [String] = []
    /// Pages without links.
    private var single: [Page] = []
    /// Number of orders and positions without a `count`.
    private(set) var uncounted = 0

    /// - Throws: `PretixDecodingError` if a link has no valid page number.
    mutating func add(_ page: PretixPage, from path: String) throws(PretixDecodingError) {
        guard page.isPage else {
            uncounted += page.elements.count { !$0.isItem }
            return
        }
        if page.count == nil { uncounted += page.elements.count { !$0.isItem } }
        let (next, previous) = (try Self.link(page.next), try Self.link(page.previous))
        let found = Page(
            path: path, count: page.count, results: Set(page.elements.map(\.identity)), next: next?.page,
            previous: previous?.page)
        guard let list = (next ?? previous)?.list else {
            single.append(found)
            return
        }
        if lists[list] == nil { links.append(list) }
        lists[list, default: []].append(found)
    }

    /// Checks that all pages of all lists were added, each of them once.
    ///
    /// - Throws: `RegistrationListError.incomplete` with the file and what is missing.
    func check() throws(RegistrationListError) {
        for (index, page) in single.enumerated() where !page.results.isEmpty {
            if let other = single[..<index].first(where: { $0.results == page.results }) {
                throw .incomplete("\(page.path) has the same results as \(other.path): give each page once")
            }
            try Self.checkCount([page])
        }
        for page in single where page.results.isEmpty { try Self.checkCount([page]) }
        for list in links { try Self.check(lists[list] ?? []) }
    }

    /// Checks the pages of one list.
    private static func check(_ pages: [Page]) throws(RegistrationListError) {
        var byNumber: [Int: Page] = [:]
        for page in pages {
            guard let number = page.number else { continue }
            if let other = byNumber.updateValue(page, forKey: number) {
                throw .incomplete("\(page.path) and \(other.path) are both page \(number): give each page once")
            }
        }
        for page in pages.sorted(by: { ($0.number ?? 0) < ($1.number ?? 0) }) {
            if let next = page.next, byNumber[next] == nil {
                throw .incomplete(
                    "page \(next) is missing: the 'next' of \(page.path) leads to it\(counted(pages)). Download all "
                        + "pages, until 'next' is null")
            }
            if let previous = page.previous, byNumber[previous] == nil {
                throw .incomplete(
                    "page \(previous) is missing: the 'previous' of \(page.path) leads to it\(counted(pages)). "
                        + "Download all pages, from the first one on")
            }
        }
        try checkCount(pages)
    }

    private static func checkCount(_ pages: [Page]) throws(RegistrationListError) {
        guard let count = pages.compactMap(\.count).max() else { return }
        let found = Set(pages.flatMap(\.results)).count
        guard found < count else { return }
        let paths = pages.map(\.path)
        let shown = paths.prefix(3).joined(separator: ", ") + (paths.count > 3 ? " ..." : "")
        throw .incomplete(
            "\(shown): \(found) results, but pretix counted \(count)"
                + (pages.count > 1
                    ? ": the list changed during the download, or a page was edited. Download all pages again"
                    : ": a page is missing or was edited. Download all pages, until 'next' is null"))
    }

    /// Returns ` (20 of 1,030 results are given)`, if pretix counted the results.
    private static func counted(_ pages: [Page]) -> String {
        guard let count = pages.compactMap(\.count).max() else { return "" }
        return " (\(Set(pages.flatMap(\.results)).count) of \(count) results are given)"
    }

    /// Splits a link to a page into the link to its list and the number of the page.
    ///
    /// - Returns: `nil` if there is no link. A link without a page number leads to page 1.
    private static func link(_ link: String?) throws(PretixDecodingError) -> (list: String, page: Int)? {
        guard let link, !link.isEmpty else { return nil }
        let parts = link.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var page = 1
        var query: [Substring] = []
        for part in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            guard part.hasPrefix("page=") else {
                query.append(part)
                continue
            }
            guard let number = Int(part.dropFirst(5)), (1...1_000_000).contains(number) else {
                throw PretixDecodingError(description: "the link '\(link.prefix(200))' has no valid page number")
            }
            page = number
        }
        return ("\(parts[0])?\(query.sorted().joined(separator: "&"))", page)
    }
}

extension PretixElement {
    /// What identifies a result within its list.
    enum Identity: Hashable {
        case order(String)
        case position(Int)
        case item(Int)
    }

    var identity: Identity {
        switch self {
        case .order(let order): .order(order.code)
        case .position(let position): .position(position.id)
        case .item(let item): .item(item.id)
        }
    }

    var isItem: Bool { if case .item = self { true } else { false } }
}
