import FileSystem
import Glibc
import LinuxSystem
package import ScanModel
import TextRules

/// Orders, order positions (also of a check-in list) and items in files, as the REST API of pretix returns them.
///
/// | pretix | registry |
/// |---|---|
/// | a position that is not an add-on, with its add-ons | an attendee, `external_ref` `pretix:<order>-<positionid>` |
/// | `attendee_name`, else the name on the invoice, else order and number | name |
/// | `secret`, also of each add-on | a code |
/// | `item` and `variation` | category; the pass `ITEM / VARIATION`, else `ITEM` (`internal_name`, else `name`) |
/// | an add-on with a pass of its name | that pass, too; an add-on that is not an admission and has no pass: nothing |
/// | `valid_from`, `valid_until` | restrict the pass |
/// | order pending and not `valid_if_pending`, expired, cancelled or not approved; position `canceled` | void |
/// | `blocked` | blocked |
/// | an add-on that is `canceled` or `blocked` itself | no pass, and its code is void until it is valid again |
///
/// Orders in test mode are skipped. Positions that are not an admission and have no pass of their name are skipped,
/// too. Prices, addresses and answers are not read. All files are held in memory, some hundred bytes for each position.
package struct PretixExport: RegistrationSource {
    /// `pretix:`, which precedes the code of an order and the number of its position.
    package static let referencePrefix: String? = prefix
    private static let prefix = "pretix:"
    /// Maximum size of a file, in bytes. A page of the API has 50 orders; a file can hold all pages of some ten thousand
    /// orders.
    package static let fileLimitBytes = 64 << 20

    /// Maximum length of a reference in a message, in characters. An invalid file can have a longer one.
    private static let placeLimit = 40

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
    private var pages = PretixPages()

    /// Reads the files, which must be all pages of each list.
    ///
    /// - Throws: `RegistrationListError.unreadable` with file and position; `RegistrationListError.incomplete` if a page
    ///   is missing or given twice; `SystemError`.
    package init(_ paths: [String], key: EventKey) throws {
        self.key = key
        for path in paths {
            let json = try Self.read(path)
            let page: PretixPage
            do throws(PretixDecodingError) {
                page = try PretixPage(json: json)
                try pages.add(page, from: path)
            } catch {
                throw RegistrationListError.unreadable("\(path): \(error); nothing was stored")
            }
            for element in page.elements { add(element) }
        }
        try pages.check()
        guard !positions.isEmpty else {
            throw RegistrationListError.unreadable(
                "no order and no order position in \(paths.joined(separator: ", "))")
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        do { return try Files.read(inputPath(path), limit: fileLimitBytes) } catch let error as SystemError
            where error.code == EFBIG
        {
            throw RegistrationListError.unreadable(
                "\(path): more than \(fileLimitBytes >> 20) MiB: give the pages as several files; nothing was stored")
        }
    }

    private mutating func add(_ element: PretixElement) {
        switch element {
        case .order(let order):
            orders[order.code] = Order(
                status: order.status, isTest: order.testmode ?? false, isApproved: !(order.requireApproval ?? false),
                validIfPending: order.validIfPending ?? false, buyer: order.invoiceAddress?.name)
            for position in order.positions { add(position) }
        case .position(let position): add(position)
        case .item(let item): items.add(item)
        }
    }

    /// A position can appear twice: with its order and in a check-in list, or on two pages, if it moved between the
    /// requests. The last one counts.
    private mutating func add(_ position: PretixPosition) {
        items.add(position)
        if let index = indices[position.id] {
            positions[index] = position
        } else {
            indices[position.id] = positions.count
            positions.append(position)
        }
    }

    /// The order and position of a row, or its number if it has no reference.
    package static func place(_ number: Int, _ externalRef: String?) -> String {
        "order " + (externalRef.map { String($0.dropFirst(prefix.count)) } ?? "number \(number)")
    }

    /// Reports every position that is not an add-on, with its add-ons. The list has all fields.
    package func read(
        passes: Set<String>, _ each: (RegistrationItem) throws -> Void
    ) throws -> RegistrationReport {
        var addOns: [Int: [PretixPosition]] = [:]
        for position in positions {
            // An add-on whose ticket is not in the files is imported as a separate attendee.
            if let ticket = position.addonTo, indices[ticket] != nil { addOns[ticket, default: []].append(position) }
        }
        var number = 0
        var unnamed: [String: (first: RowError, count: Int)] = [:]
        for position in positions where position.addonTo.map({ indices[$0] == nil }) ?? true {
            number += 1
            let item: RegistrationItem
            do throws(CellError) {
                item = try self.item(number, position, addOns[position.id] ?? [], passes)
            } catch {
                let reference = Self.reference(of: position).prefix(Self.placeLimit).description.visibleInLine
                let problem = RowError(number, at: "order \(reference)", error)
                // One error for each item: nearly every position has it.
                if error.remedy == .pretixItems {
                    unnamed[problem.message, default: (problem, 0)].count += 1
                    continue
                }
                item = .problem(problem)
            }
            try each(item)
        }
        for (first, count) in unnamed.values.sorted(by: { $0.first.number < $1.first.number }) {
            var problem = first
            if count > 1 { problem.append(example: " (\(count) positions)") }
            try each(.problem(problem))
        }
        var report = RegistrationReport(fields: RegistrationField.all)
        report.uncounted = pages.uncounted
        return report
    }

    private func item(
        _ number: Int, _ position: PretixPosition, _ addOns: [PretixPosition], _ passes: Set<String>
    ) throws(CellError) -> RegistrationItem {
        let order = orders[position.order]
        if order?.isTest ?? false { return .skipped }
        let status = try self.status(position, order)
        var parts: [RegistrationRow.AccessSet.Part] = []
        var tags: [RegistrationRow.Tag] = []
        var isForRegistry = false
        for part in [position] + addOns {
            let isAddOn = part.id != position.id
            // An add-on can end alone, and its code ends with it. If the whole ticket is void, the attendee is void and
            // the codes stay active. A void code would not become active again with the ticket.
            let isEnded = isAddOn && ((part.canceled ?? false) || !(part.blocked?.isEmpty ?? true))
            let isValid = status != .void && !isEnded
            let choice = try items.pass(of: part, passes, isNeeded: isValid)
            isForRegistry = isForRegistry || choice.isAdmission || choice.pass != nil
            if isValid, let pass = choice.pass {
                let times = try Self.times(part)
                parts.append(RegistrationRow.AccessSet.Part(pass: pass, from: times.from, until: times.until))
            }
            guard let secret = part.secret, !secret.isEmpty else {
                guard isAddOn || !isValid else {
                    throw CellError("no secret: the API user may not read it")
                }
                continue
            }
            var tag: RegistrationRow.Tag
            do { tag = try RegistrationRow.tag(code: secret, key) } catch { throw CellError("the secret \(error)") }
            tag.status = isEnded ? .void : .active
            tag.isRestorable = isAddOn
            if !tags.contains(where: { $0.id == tag.id }) { tags.append(tag) }
        }
        guard isForRegistry else { return .skipped }
        let reference = Self.reference(of: position)
        do throws(CellError) { try RegistrationRow.checkReference(Self.prefix + reference) } catch {
            throw CellError("the reference \(error)", error.remedy)
        }
        let names = [position.attendeeName, order?.buyer].compactMap { $0?.trimmingInvisible }
        let name = names.first { !$0.isEmpty } ?? reference
        let category = items.name(of: position)
        for text in [name, category ?? ""] { try RegistrationRow.checkText(text) }
        return .row(
            RegistrationRow(
                number: number, name: name, category: category, status: status,
                access: parts.isEmpty ? nil : .passes(parts), externalRef: Self.prefix + reference, tags: tags))
    }

    /// The reference of a position, without the prefix: `ABC12-1`.
    private static func reference(of position: PretixPosition) -> String {
        "\(position.order)-\(position.positionid)"
    }

    private func status(
        _ position: PretixPosition, _ order: Order?
    ) throws(CellError) -> RegistrationRow.Status {
        let isPendingValid = order?.validIfPending ?? position.orderValidIfPending ?? false
        let isApproved = order?.isApproved ?? !(position.orderRequireApproval ?? false)
        // A check-in list holds only valid tickets, unless it was requested with `ignore_status`.
        let isValid: Bool
        switch order?.status ?? position.orderStatus ?? "p" {
        case "p": isValid = true
        case "n": isValid = isPendingValid
        case "e", "c", "r": isValid = false
        case let other: throw CellError("status '\(other)' is not one of n, p, e, c, r")
        }
        guard isValid, isApproved, !(position.canceled ?? false) else { return .void }
        return position.blocked?.isEmpty ?? true ? .active : .blocked
    }

    /// Returns the times in microseconds since 1970, rounded down to whole seconds: snapshots hold seconds.
    private static func times(_ position: PretixPosition) throws(CellError) -> (from: Int64?, until: Int64?) {
        func time(_ text: String?, _ name: String) throws(CellError) -> Int64? {
            guard let text else { return nil }
            do throws(CellError) {
                let time = try RegistrationRow.time(text)
                return time - time % 1_000_000
            } catch { throw CellError("\(name) '\(text)' \(error)", error.remedy) }
        }
        let from = try time(position.validFrom, "valid_from")
        let until = try time(position.validUntil, "valid_until")
        if let from, let until, from >= until { throw CellError("valid_from is not before valid_until") }
        return (from, until)
    }
}
