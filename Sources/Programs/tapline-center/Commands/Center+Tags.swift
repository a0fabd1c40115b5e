import CLI
import RegistrationLists
import Registry
import ScanModel

extension Center {
    static let tags = [revoke, replace]

    private static let revoke = Command(
        "tag revoke", "revoke a tag; gates apply it with their next snapshot",
        options: [databaseURL, .eventKeyFile] + Option.tag("the tag")
            + [Option("status", "lost|void|active", "new status of the tag", default: "lost")]
    ) { arguments in
        let (url, tag) = (try database(arguments), try arguments.tag())
        let key = try arguments.eventKeyFingerprint()
        let status = try arguments.choice("status", TagStatus.self) ?? .lost
        return {
            let (id, name) = try withRegistry(url) { registry in
                let id = tag.id(try registry.codeCase())
                return (id, try registry.setTag(id, status, keyFingerprint: isKeyed(tag) ? key : nil))
            }
            TextOutput.line("tag \(id.rawValue) of \(name) is \(status.rawValue)")
        }
    }

    private static let replace = Command(
        "tag replace", "replace the lost tag of an attendee by a new one",
        options: [databaseURL, .eventKeyFile] + Option.tag("the lost tag") + Option.tag(prefix: "new-", "the new tag")
            + [Option("uid-bytes", "N[,N...]", "permitted lengths of the new UID, in bytes", default: "4,7,10")]
    ) { arguments in
        let (url, old, new) = (try database(arguments), try arguments.tag(), try arguments.tag(prefix: "new-"))
        let key = try arguments.eventKeyFingerprint()
        try requireChip(new, arguments)
        guard old.id(.exact) != new.id(.exact) else { throw ProgramError.usage("the new tag is the old tag") }
        return {
            let (lost, given, name) = try withRegistry(url) { registry in
                let codeCase = try registry.codeCase()
                let (lost, given) = (old.id(codeCase), new.id(codeCase))
                return (
                    lost, given,
                    try registry.replaceTag(
                        lost, by: given, keyFingerprint: isKeyed(old) || isKeyed(new) ? key : nil,
                        provesKey: isKeyed(old))
                )
            }
            TextOutput.line("\(name) now has tag \(given.rawValue); tag \(lost.rawValue) is lost")
        }
    }

    private static func isKeyed(_ tag: NamedTag) -> Bool {
        if case .identity = tag { true } else { false }
    }

    /// - Throws: `ProgramError.usage` for a UID that does not identify one chip, and for a code that a
    ///   spreadsheet has damaged.
    private static func requireChip(_ tag: NamedTag, _ arguments: Arguments) throws {
        if case .identity(.code(let code), _) = tag {
            do throws(CellError) { try SpreadsheetText.check(code.text) } catch {
                throw ProgramError.usage("--new-code \(arguments["new-code"] ?? "") \(error)")
            }
        }
        let lengths = try uidLengths(arguments, .hex)
        guard case .identity(.uid(let uid), _) = tag else {
            guard case .identity(.sun(let uid), _) = tag else { return }
            return try requireChip(uid, "new-sun", arguments, lengths)
        }
        try requireChip(uid, "new-uid", arguments, lengths)
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
