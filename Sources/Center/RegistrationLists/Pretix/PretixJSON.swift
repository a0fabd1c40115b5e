import FoundationEssentials

/// An answer of the REST API of pretix: a page (`{"results": [...]}`), an array, or one object.
///
/// Prices, addresses and answers are not decoded.
///
/// Source: docs.pretix.eu, sections "Pagination", and the resources orders, order positions, check-in lists and items.
struct PretixPage: Decodable {
    let elements: [PretixElement]
    /// Whether the answer is a page of a list.
    var isPage = false
    /// Number of results in the whole list of the page; `nil` if the answer has none.
    var count: Int?
    /// Links to the pages beside this one; `nil` if there are none.
    var next: String?
    var previous: String?

    private enum Key: String, CodingKey { case results, count, next, previous }

    init(from decoder: any Decoder) throws {
        if let page = try? decoder.container(keyedBy: Key.self), page.contains(.results) {
            elements = try page.decode([PretixElement].self, forKey: .results)
            isPage = true
            count = try page.decodeIfPresent(Int.self, forKey: .count)
            next = try page.decodeIfPresent(String.self, forKey: .next)
            previous = try page.decodeIfPresent(String.self, forKey: .previous)
        } else if (try? decoder.unkeyedContainer()) != nil {
            elements = try decoder.singleValueContainer().decode([PretixElement].self)
        } else {
            elements = [try PretixElement(from: decoder)]
        }
    }

    /// - Throws: `PretixDecodingError` with the path of the invalid value.
    init(json: [UInt8]) throws(PretixDecodingError) {
        if let problem = JSONLimits.problem(json) { throw PretixDecodingError(description: problem) }
        do { self = try JSONDecoder().decode(PretixPage.self, from: Data(json)) } catch {
            throw PretixDecodingError(error)
        }
    }
}

enum PretixElement: Decodable {
    case order(PretixOrder)
    case position(PretixPosition)
    case item(PretixItem)

    private enum Key: String, CodingKey { case positions, positionid, admission }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        if object.contains(.positions) {
            self = .order(try PretixOrder(from: decoder))
        } else if object.contains(.positionid) {
            self = .position(try PretixPosition(from: decoder))
        } else if object.contains(.admission) {
            self = .item(try PretixItem(from: decoder))
        } else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath,
                    debugDescription: "not an order, an order position or an item"))
        }
    }
}

struct PretixOrder: Decodable {
    struct InvoiceAddress: Decodable { let name: String? }

    let code: String
    /// n: pending, p: paid, e: expired, c: cancelled, r: refunded (old versions).
    let status: String
    let testmode: Bool?
    let requireApproval: Bool?
    let validIfPending: Bool?
    let invoiceAddress: InvoiceAddress?
    let positions: [PretixPosition]

    enum CodingKeys: String, CodingKey {
        case code, status, testmode, positions
        case requireApproval = "require_approval"
        case validIfPending = "valid_if_pending"
        case invoiceAddress = "invoice_address"
    }
}

struct PretixPosition: Decodable {
    let id: Int
    let positionid: Int
    /// The code of the order.
    let order: String
    let item: PretixReference
    let variation: PretixReference?
    let attendeeName: String?
    let secret: String?
    let addonTo: Int?
    let canceled: Bool?
    /// The reasons why the ticket is blocked; empty or `nil`: not blocked.
    let blocked: [String]?
    let validFrom: String?
    let validUntil: String?
    /// The state of the order, in positions of a check-in list (some versions of pretix).
    let orderStatus: String?
    let orderValidIfPending: Bool?
    let orderRequireApproval: Bool?

    enum CodingKeys: String, CodingKey {
        case id, positionid, order, item, variation, secret, canceled, blocked
        case attendeeName = "attendee_name"
        case addonTo = "addon_to"
        case validFrom = "valid_from"
        case validUntil = "valid_until"
        case orderStatus = "order__status"
        case orderValidIfPending = "order__valid_if_pending"
        case orderRequireApproval = "order__require_approval"
    }
}

/// A number, or the object itself if the list was requested with `expand`.
struct PretixReference: Decodable {
    let id: Int
    let item: PretixItem?
    let variation: PretixVariation?

    private enum Key: String, CodingKey { case id, admission, value }

    init(from decoder: any Decoder) throws {
        guard let object = try? decoder.container(keyedBy: Key.self) else {
            id = try decoder.singleValueContainer().decode(Int.self)
            (item, variation) = (nil, nil)
            return
        }
        id = try object.decode(Int.self, forKey: .id)
        item = object.contains(.admission) ? try PretixItem(from: decoder) : nil
        variation = object.contains(.value) ? try PretixVariation(from: decoder) : nil
    }
}

/// A product: a ticket, an add-on, a T-shirt.
struct PretixItem: Decodable {
    let id: Int
    let name: PretixText
    let internalName: String?
    let admission: Bool
    let variations: [PretixVariation]?

    enum CodingKeys: String, CodingKey {
        case id, name, admission, variations
        case internalName = "internal_name"
    }
}

struct PretixVariation: Decodable {
    let id: Int
    let value: PretixText
}

/// A text, or a text in several languages.
struct PretixText: Decodable {
    /// The English text, else the first by language code.
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self.text = text
        } else {
            let texts = try container.decode([String: String].self)
            text = texts["en"] ?? texts.min { $0.key < $1.key }?.value ?? ""
        }
    }
}

/// An invalid value in an answer of pretix, with its path.
struct PretixDecodingError: Error, CustomStringConvertible {
    let description: String

    init(description: String) { self.description = description }

    init(_ error: any Error) {
        func text(_ context: DecodingError.Context, _ what: String? = nil) -> String {
            let path = context.codingPath.reduce("") { path, key in
                path + (key.intValue.map { "[\($0)]" } ?? (path.isEmpty ? "" : ".") + key.stringValue)
            }
            let cause = context.underlyingError.map { " \($0)" } ?? ""
            return (path.isEmpty ? "" : "\(path): ") + (what ?? context.debugDescription + cause)
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            description = text(context, "'\(key.stringValue)' is missing")
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            // An error in the text itself has no path. So has an object of another kind.
            let isCut = context.codingPath.isEmpty && context.debugDescription.contains("JSON")
            description = text(context) + (isCut ? " Was the file cut off or edited? Download it again" : "")
        default: description = "\(error)"
        }
    }
}
