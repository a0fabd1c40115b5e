/// The products of a pretix event by their numbers, and the passes that they stand for.
struct PretixItems {
    private struct Item {
        let name: String
        let isAdmission: Bool
        var variations: [Int: String]
    }

    private var items: [Int: Item] = [:]

    mutating func add(_ item: PretixItem) {
        let name = item.internalName.flatMap { $0.trimmed.isEmpty ? nil : $0.trimmed } ?? item.name.text.trimmed
        var variations = items[item.id]?.variations ?? [:]
        for variation in item.variations ?? [] { variations[variation.id] = variation.value.text.trimmed }
        items[item.id] = Item(name: name, isAdmission: item.admission, variations: variations)
    }

    /// What a position itself tells, where the list was asked for with `expand`.
    mutating func add(_ position: PretixPosition) {
        if let item = position.item.item { add(item) }
        if let variation = position.variation?.variation {
            items[position.item.id]?.variations[variation.id] = variation.value.text.trimmed
        }
    }

    /// `ITEM`, or `ITEM / VARIATION`; nil for an item that is not known.
    func name(of position: PretixPosition) -> String? {
        guard let item = items[position.item.id] else { return nil }
        return position.variation.flatMap { item.variations[$0.id] }.map { "\(item.name) / \($0)" } ?? item.name
    }

    /// The pass that a position stands for. Throws the reason, for the user, when there is none and one is needed.
    func pass(
        of position: PretixPosition, _ passes: Set<String>, isNeeded: Bool
    ) throws(CellError) -> (pass: String?, isAdmission: Bool) {
        guard let item = items[position.item.id], let full = name(of: position) else {
            guard isNeeded else { return (nil, true) }
            throw CellError(
                "item \(position.item.id) has no name here: give the event's items too (.../items/, as a file)")
        }
        let names = full == item.name ? [full] : [full, item.name]
        if let pass = names.first(where: passes.contains) { return (pass, item.isAdmission) }
        guard isNeeded, item.isAdmission else { return (nil, item.isAdmission) }
        let wanted = names.map { "'\($0)'" }.joined(separator: " or ")
        throw CellError("there is no pass \(wanted) (import --passes makes passes)")
    }
}
