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
            let name = try withRegistry(url) { try $0.setTag(tag, status, keyFingerprint: key) }
            print("tag \(tag.rawValue) of \(name) is \(status.rawValue)")
        }
    }

    private static let replace = Command(
        "tag replace", "replace the lost tag of an attendee by a new one",
        options: [databaseURL, .eventKeyFile] + Option.tag("the lost tag") + Option.tag(prefix: "new-", "the new tag")
    ) { arguments in
        let (url, old, new) = (try database(arguments), try arguments.tag(), try arguments.tag(prefix: "new-"))
        let key = try arguments.eventKeyFingerprint()
        guard old != new else { throw ProgramError.usage("the new tag is the old tag") }
        return {
            let name = try withRegistry(url) { try $0.replaceTag(old, by: new, keyFingerprint: key) }
            print("\(name) now has tag \(new.rawValue); tag \(old.rawValue) is lost")
        }
    }
}
