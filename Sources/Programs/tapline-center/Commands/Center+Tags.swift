import CLI
import ErrorModel
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
        let status = try arguments.choice("status", TagStatus.self) ?? .lost
        return {
            let (id, name) = try withRegistry(url) { registry in
                let id = tag.id(try registry.codeCase())
                return (id, try registry.setTag(id, status))
            }
            print("tag \(id.rawValue) of \(name.visible) is \(status.rawValue)")
        }
    }

    private static let replace = Command(
        "tag replace", "replace the lost tag of an attendee by a new one",
        options: [databaseURL, .eventKeyFile] + Option.tag("the lost tag") + Option.tag(prefix: "new-", "the new tag")
    ) { arguments in
        let (url, old, new) = (try database(arguments), try arguments.tag(), try arguments.tag(prefix: "new-"))
        guard old.id(.exact) != new.id(.exact) else { throw ProgramError.usage("the new tag is the old tag") }
        return {
            let (lost, given, name) = try withRegistry(url) { registry in
                let codeCase = try registry.codeCase()
                let (lost, given) = (old.id(codeCase), new.id(codeCase))
                return (lost, given, try registry.replaceTag(lost, by: given))
            }
            print("\(name.visible) now has tag \(given.rawValue); tag \(lost.rawValue) is lost")
        }
    }
}
