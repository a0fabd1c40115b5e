import CLI
import RegistrationLists
import Registry
import ScanModel

extension Center {
    static let tags = [revoke, replace]

    private static func options(_ prefix: String, _ whose: String) -> [Option] {
        [
            Option("\(prefix)uid", "HEX", "\(whose): UID of a chip"),
            Option("\(prefix)sun", "HEX", "\(whose): UID of a chip that authenticates itself"),
            Option("\(prefix)code", "TEXT", "\(whose): text of a code"),
            Option("\(prefix)tag", "ID", "\(whose): tag ID of the database"),
        ]
    }

    /// The one tag that is meant.
    private static func tag(_ arguments: Arguments, _ prefix: String) throws -> TagID {
        let given = ["uid", "sun", "code", "tag"].filter { arguments.has(prefix + $0) }
        guard given.count == 1, let text = arguments[prefix + given[0]] else {
            throw ProgramError.usage("one of --\(prefix)uid, --\(prefix)sun, --\(prefix)code, --\(prefix)tag is needed")
        }
        if given[0] == "tag" {
            guard let id = Int64(text), id != 0 else { throw ProgramError.usage("--\(prefix)tag \(text) is no tag ID") }
            return TagID(rawValue: id)
        }
        let key = try eventKey(arguments)
        if given[0] == "code" { return key.tagID(of: .code(text)) }
        do {
            let bytes = try UIDFormat.hex.bytes(text)
            return key.tagID(of: given[0] == "uid" ? .uid(bytes) : .sun(bytes))
        } catch { throw ProgramError.usage("--\(prefix)\(given[0]) \(text) \(error)") }
    }

    private static let revoke = Command(
        "tag revoke", "revoke a tag; gates apply it with their next snapshot",
        options: [databaseURL, eventKeyFile] + options("", "the tag")
            + [Option("status", "lost|void|active", "new status of the tag", default: "lost")]
    ) { arguments in
        let (url, tag) = (try database(arguments), try tag(arguments, ""))
        let status = try arguments.choice("status", TagStatus.self) ?? .lost
        return {
            let name = try withRegistry(url) { try $0.setTag(tag, status) }
            print("tag \(tag.rawValue) of \(name) is \(status.rawValue)")
        }
    }

    private static let replace = Command(
        "tag replace", "replace the lost tag of an attendee by a new one",
        options: [databaseURL, eventKeyFile] + options("", "the lost tag") + options("new-", "the new tag")
    ) { arguments in
        let (url, old, new) = (try database(arguments), try tag(arguments, ""), try tag(arguments, "new-"))
        return {
            let name = try withRegistry(url) { try $0.replaceTag(old, by: new) }
            print("\(name) has tag \(new.rawValue) now; tag \(old.rawValue) is lost")
        }
    }
}
