import CLI
import RegistrationLists
import Registry
import ScanModel

extension Center {
    static let tags = [revoke, replace]

    private static let help = """
        Without an option that names the tag, WHO names the person: \(NamedAttendee.help)
        """

    private static let revoke = Command(
        "tag revoke", positionals: "[WHO]", count: 0...1,
        "revoke a tag, or the tag of one person; gates apply it with their next snapshot",
        options: [databaseURL, .eventKeyFile] + Option.tag("the tag")
            + [
                Option("id", "N", "attendee id of the person, instead of WHO"),
                .toggle("all-tags", "all tags of the person"),
                Option("status", "lost|void|active", "new status of the tag", default: "lost"),
            ], details: help
    ) { arguments in
        let url = try database(arguments)
        let choice = try TagChoice(arguments)
        let status = try arguments.choice("status", TagStatus.self) ?? .lost
        let isAll = arguments.has("all-tags")
        guard !isAll || choice.isPerson else { throw ProgramError.usage("--all-tags needs WHO or --id N") }
        return {
            let done = try withRegistry(url) { registry in
                let tags = try choice.tags(registry, changingTo: status, isAll: isAll)
                return try tags.map { tag in
                    (tag, try registry.setTag(tag, status, keyFingerprint: choice.keyFingerprint))
                }
            }
            for (tag, name) in done { TextOutput.line("tag \(tag.rawValue) of \(name) is \(status.rawValue)") }
        }
    }

    private static let replace = Command(
        "tag replace", positionals: "[WHO]", count: 0...1, "replace the lost tag of an attendee by a new one",
        options: [databaseURL, .eventKeyFile] + Option.tag("the lost tag") + Option.tag(prefix: "new-", "the new tag")
            + [
                Option("id", "N", "attendee id of the person, instead of WHO"),
                Option("uid-bytes", "N[,N...]", "permitted lengths of the new UID, in bytes", default: "4,7,10"),
            ], details: help
    ) { arguments in
        let (url, old, new) = (try database(arguments), try TagChoice(arguments), try arguments.tag(prefix: "new-"))
        let key = try arguments.eventKeyFingerprint()
        try requireChip(new, prefix: "new-", arguments)
        guard old.named?.id(.exact) != new.id(.exact) else { throw ProgramError.usage("the new tag is the old tag") }
        return {
            let (lost, given, name) = try withRegistry(url) { registry in
                let lost = try old.tags(registry, changingTo: .lost, isAll: false)[0]
                let given = new.id(try registry.codeCase())
                let isOldKeyed = old.keyFingerprint != nil
                return (
                    lost, given,
                    try registry.replaceTag(
                        lost, by: given, keyFingerprint: isOldKeyed || isKeyed(new) ? key : nil, provesKey: isOldKeyed)
                )
            }
            TextOutput.line("\(name) now has tag \(given.rawValue); tag \(lost.rawValue) is lost")
        }
    }

    static func isKeyed(_ tag: NamedTag) -> Bool {
        if case .identity = tag { true } else { false }
    }

    /// - Throws: `ProgramError.usage` for a UID that does not identify one chip, and for a code that a
    ///   spreadsheet has damaged.
    static func requireChip(_ tag: NamedTag, prefix: String, _ arguments: Arguments) throws {
        if case .identity(.code(let code), _) = tag {
            do throws(CellError) { try SpreadsheetText.check(code.text) } catch {
                throw ProgramError.usage("--\(prefix)code \(arguments[prefix + "code"] ?? "") \(error)")
            }
        }
        let lengths = try uidLengths(arguments, .hex)
        guard case .identity(.uid(let uid), _) = tag else {
            guard case .identity(.sun(let uid), _) = tag else { return }
            return try requireChip(uid, prefix + "sun", arguments, lengths)
        }
        try requireChip(uid, prefix + "uid", arguments, lengths)
    }

    private static func requireChip(
        _ uid: [UInt8], _ flag: String, _ arguments: Arguments, _ lengths: Set<Int>
    ) throws {
        do throws(CellError) { try UIDFormat.check(uid, lengths) } catch {
            let hint = error.remedy == .uidLengths ? " (permit other lengths with --uid-bytes N)" : ""
            throw ProgramError.usage("--\(flag) \(arguments[flag] ?? "") \(error)\(hint)")
        }
    }
}

/// The tag that a command line names, by itself or by its owner.
private struct TagChoice: Sendable {
    /// `nil`: the owner is named.
    let named: NamedTag?
    private let owner: NamedAttendee?
    /// `EventKey.fingerprint` of the key that gives the tag ID; `nil`: no key is needed.
    let keyFingerprint: String?

    var isPerson: Bool { owner != nil }

    /// - Throws: `ProgramError` (usage) unless exactly one tag or person is named.
    init(_ arguments: Arguments) throws {
        let isTag = ["uid", "sun", "code", "tag"].contains(where: arguments.has)
        let isPerson = arguments.has("id") || !arguments.positionals.isEmpty
        guard isTag != isPerson else {
            throw ProgramError.usage(
                "exactly one of WHO (a name, a reference or a tag ID), --id, --uid, --sun, --code, --tag is required")
        }
        named = isTag ? try arguments.tag() : nil
        owner = isTag ? nil : try NamedAttendee(arguments)
        keyFingerprint = if let named, Center.isKeyed(named) { try arguments.eventKeyFingerprint() } else { nil }
    }

    /// Returns the named tag, or the tags of the person that a change to a status concerns: at least one.
    ///
    /// - Throws: `ProgramError` (failed) if the person has none, or several without `isAll`; `RegistryError`.
    func tags(_ registry: RegistryStore, changingTo status: TagStatus, isAll: Bool) throws -> [TagID] {
        if let named { return [named.id(try registry.codeCase())] }
        guard let chosen = try owner?.choose(registry) else { return [] }
        if let tag = chosen.tag, !isAll { return [tag] }
        let tags = try registry.tags(of: chosen.attendee.id)
        let others = tags.filter { status == .active ? $0.status != .active : $0.status == .active }
        guard !others.isEmpty else {
            throw ProgramError.failed(
                "\(chosen.attendee.title) has no \(status == .active ? "revoked" : "active") tag; nothing was changed")
        }
        guard isAll || others.count == 1 else {
            let ids = others.map { "\($0.tag.rawValue)" }.joined(separator: ", ")
            throw ProgramError.failed(
                "\(chosen.attendee.title) has \(others.count) tags: \(ids); name one with --tag ID, or use --all-tags; "
                    + "nothing was changed")
        }
        return others.map(\.tag)
    }
}
