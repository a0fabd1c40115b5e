import CLI
import FileSystem
import Runtime
package import ScanModel

/// Orders, order positions (of a check-in list, too) and items, as pretix's REST API gives them, in files.
///
/// | of pretix | in the registry |
/// |---|---|
/// | a position that is no add-on, with its add-ons | an attendee, `external_ref` `pretix:<order>-<positionid>` |
/// | `attendee_name`, else the name on the invoice, else order and number | name |
/// | `secret` | a code; that of each add-on too |
/// | `item` and `variation` | category; the pass `ITEM / VARIATION`, else `ITEM` (`internal_name`, else `name`) |
/// | add-ons with a pass of their name | that pass too; no admission and no such pass: nothing |
/// | `valid_from`, `valid_until` | narrow the pass |
/// | order pending and not `valid_if_pending`, expired, cancelled or not approved; position `canceled` | void |
/// | `blocked` | blocked |
/// | an add-on that is `canceled` or `blocked` itself | no pass, and its code void until it is neither |
///
/// Orders in test mode, and what is no admission and has no pass of its name, are passed over. Prices, addresses and
/// answers are not read. All files are held in memory, some hundred bytes a position.
package struct PretixExport: RegistrationSource {
    package static let referencePrefix: String? = "pretix:"
    /// Largest file, in bytes: a page of the API has 50 orders; a file of all of them at once is read too.
    package static let fileLimitBytes = 256 << 20

    struct Order {
        let status: String
        let isTest: Bool
        let isApproved: Bool
        let validIfPending: Bool
        let buyer: String?
    }

    private let key: EventKey
    private var orders: [String: Order] = [:]
    private var positions: [PretixPosition] = []
    private var indices: [Int: Int] = [:]
    private var items = PretixItems()
    package let fields: Set<RegistrationField> = [.category, .status, .opens, .tags]

    /// Reads the files. Throws `ProgramError` (failed) that names file and place, `SystemError`.
    package init(_ paths: [String], key: EventKey) throws {
        self.key = key
        for path in paths {
            let json = try Files.read(path == "-" ? "/dev/stdin" : path, limit: Self.fileLimitBytes)
            let page: PretixPage
            do { page = try PretixPage(json: json) } catch {
                throw ProgramError.failed("\(path): \(error); nothing was stored")
            }
            for element in page.elements { take(element) }
        }
        guard !positions.isEmpty else {
            throw ProgramError.failed("no order and no order position in \(paths.joined(separator: ", "))")
        }
    }

    private mutating func take(_ element: PretixElement) {
        switch element {
        case .order(let order):
            orders[order.code] = Order(
                status: order.status, isTest: order.testmode ?? false, isApproved: !(order.requireApproval ?? false),
                validIfPending: order.validIfPending ?? false, buyer: order.invoiceAddress?.name)
            for position in order.positions { take(position) }
        case .position(let position): take(position)
        case .item(let item): items.add(item)
        }
    }

    /// A position may come twice: with its order and in a check-in list, or on two pages because it moved meanwhile.
    private mutating func take(_ position: PretixPosition) {
        items.add(position)
        if let index = indices[position.id] {
            positions[index] = position
        } else {
            indices[position.id] = positions.count
            positions.append(position)
        }
    }

    package static func place(_ number: Int, _ externalRef: String?) -> String {
        "order " + (externalRef.map { String($0.dropFirst("pretix:".count)) } ?? "number \(number)")
    }

    package mutating func read(passes: Set<String>, _ each: (RegistrationItem) throws -> Void) throws {
        var addOns: [Int: [PretixPosition]] = [:]
        for position in positions {
            // One whose ticket is not in the files stands for itself.
            if let ticket = position.addonTo, indices[ticket] != nil { addOns[ticket, default: []].append(position) }
        }
        var number = 0
        for position in positions where position.addonTo.map({ indices[$0] == nil }) ?? true {
            number += 1
            let item: RegistrationItem
            do throws(RowError) {
                item = try self.item(number, position, addOns[position.id] ?? [], passes)
            } catch { item = .problem(error) }
            try each(item)
        }
    }

    private func item(
        _ number: Int, _ position: PretixPosition, _ addOns: [PretixPosition], _ passes: Set<String>
    ) throws(RowError) -> RegistrationItem {
        let name = "\(position.order)-\(position.positionid)"
        func explained<Value>(_ body: () throws(CellError) -> Value) throws(RowError) -> Value {
            do { return try body() } catch { throw RowError(number, at: "order \(name)", error.description) }
        }
        let order = orders[position.order]
        if order?.isTest ?? false { return .skipped }
        let status = try explained { () throws(CellError) in try self.status(position, order) }
        var parts: [RegistrationRow.Opens.Part] = []
        var tags: [RegistrationRow.Tag] = []
        var isForRegistry = false
        for part in [position] + addOns {
            let isAddOn = part.id != position.id
            // Its own affair. That the whole ticket is void says the attendee, and a code would not come back with it.
            let isEnded = isAddOn && ((part.canceled ?? false) || !(part.blocked?.isEmpty ?? true))
            let isValid = status != .void && !isEnded
            let choice = try explained { () throws(CellError) in try items.pass(of: part, passes, isNeeded: isValid) }
            isForRegistry = isForRegistry || choice.isAdmission || choice.pass != nil
            if isValid, let pass = choice.pass {
                let times = try explained { () throws(CellError) in try Self.times(part) }
                parts.append(RegistrationRow.Opens.Part(pass: pass, from: times.from, until: times.until))
            }
            guard let secret = part.secret, !secret.isEmpty else {
                guard isAddOn || !isValid else {
                    throw RowError(number, at: "order \(name)", "no secret: the API user may not see it")
                }
                continue
            }
            var tag = try explained { () throws(CellError) in try RegistrationRow.tag(code: secret, key) }
            (tag.status, tag.returns) = (isEnded ? .void : .active, isAddOn)
            if !tags.contains(where: { $0.id == tag.id }) { tags.append(tag) }
        }
        guard isForRegistry else { return .skipped }
        let person = [position.attendeeName, order?.buyer].compactMap { $0?.trimmed }.first { !$0.isEmpty } ?? name
        let category = items.name(of: position)
        for text in [person, category ?? "", name]
        where text.utf8.count > RegistrationRow.textLimitBytes || text.utf8.contains(0) {
            throw RowError(
                number, at: "order \(name.prefix(40))",
                "a text of \(text.utf8.count) bytes, or with a NUL byte, cannot be stored")
        }
        return .row(
            RegistrationRow(
                number: number, name: person, category: category, status: status,
                opens: parts.isEmpty ? nil : .passes(parts), externalRef: "pretix:" + name, tags: tags))
    }

    private func status(
        _ position: PretixPosition, _ order: Order?
    ) throws(CellError) -> RegistrationRow.Status {
        let isPendingValid = order?.validIfPending ?? position.orderValidIfPending ?? false
        let isApproved = order?.isApproved ?? !(position.orderRequireApproval ?? false)
        // A check-in list holds valid tickets, unless it was asked for with `ignore_status`.
        let isValid: Bool
        switch order?.status ?? position.orderStatus ?? "p" {
        case "p": isValid = true
        case "n": isValid = isPendingValid
        case "e", "c", "r": isValid = false
        case let other: throw CellError("status '\(other)' is none of n, p, e, c, r")
        }
        guard isValid, isApproved, !(position.canceled ?? false) else { return .void }
        return position.blocked?.isEmpty ?? true ? .active : .blocked
    }

    /// In whole seconds, as gates have them.
    private static func times(_ position: PretixPosition) throws(CellError) -> (from: Int64?, until: Int64?) {
        func time(_ text: String?, _ name: String) throws(CellError) -> Int64? {
            guard let text else { return nil }
            guard let time = UTCTime.microseconds(text) else {
                throw CellError("\(name) '\(text)' is not an RFC 3339 time")
            }
            return time - time % 1_000_000
        }
        let (from, until) = (
            try time(position.validFrom, "valid_from"), try time(position.validUntil, "valid_until")
        )
        if let from, let until, from >= until { throw CellError("valid_from is not before valid_until") }
        return (from, until)
    }
}
