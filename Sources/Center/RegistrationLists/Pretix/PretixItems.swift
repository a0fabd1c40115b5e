import TextRules

/// The items (products) of a pretix event by their numbers, and the passes that match them.
struct PretixItems {
    private struct Item {
        let name: String
        let isAdmission: Bool
        var variations: [Int: String]
    }

    private var items: [Int: Item] = [:]

    mutating func add(_ item: PretixItem) {
        let names = [item.internalName, item.name.text].compactMap { $0?.trimmingInvisible }
        let name = names.first { !$0.isEmpty } ?? ""
        var variations = items[item.id]?.variations ?? [:]
        for variation in item.variations ?? [] {
            variations[variation.id] = variation.value.text.trimmingInvisible
        }
        items[item.id] = Item(name: name, isAdmission: item.admission, variations: variations)
    }

    /// Adds the item and the variation that a position contains, if the list was requested with `expand`.
    mutating func add(_ position: PretixPosition) {
        if let item = position.item.item { add(item) }
        if let variation = position.variation?.variation {
            let name = variation.value.text.trimmingInvisible
            items[position.item.id]?.variations[variation.id] = name
        }
    }

    /// Returns `ITEM` or `ITEM / VARIATION`, or `nil` if the item is unknown.
    func name(of position: PretixPosition) -> String? {
        guard let item = items[position.item.id] else { return nil }
        return position.variation.flatMap { item.variations[$0.id] }.map { "\(item.name) / \($0)" } ?? item.name
    }

    /// Returns the pass that matches a position.
    ///
    /// - Parameter isNeeded: whether a position that is an admission must have a pass.
    /// - Throws: `CellError` if a pass is needed and missing.
    func pass(
        of position: PretixPosition, _ passes: Set<String>, isNeeded: Bool
    ) throws(CellError) -> (pass: String?, isAdmission: Bool) {
        guard let item = items[position.item.id], let full = name(of: position) else {
            guard isNeeded else { return (nil, true) }
            throw CellError(
                "item \(position.item.id) has no name: import a file with the event's items (.../items/), too",
                .pretixItems)
        }
        if let pass = [full, item.name].first(where: passes.contains) { return (pass, item.isAdmission) }
        guard isNeeded, item.isAdmission else { return (nil, item.isAdmission) }
        throw full == item.name ? CellError.missingPass(full) : CellError.missingPass(full, item.name)
    }
}
