import Postgres
import Registry
import Runtime
import Scans

extension Center {
    static let registration = [importList, setEvent, revoke, replace]

    /// A list of a million rows is 100 MB.
    private static let listLimitBytes = 1 << 30

    private static let importList = Command(
        "import", positionals: "FILE.csv", count: 1...1,
        "take a registration list over, whole or not at all; - is standard input",
        options: [databaseURL, eventKeyFile]
    ) { arguments in
        let (url, key, path) = (try database(arguments), try eventKey(arguments), arguments.positionals[0])
        return {
            let bytes = try Files.read(path == "-" ? "/dev/stdin" : path, limit: listLimitBytes)
            do {
                let list = try RegistrationList(csv: bytes, key: key)
                let done = try withDatabase(url, statementTimeoutMs: 600_000) { try Registry($0).import(list) }
                print(
                    "\(done.rows) rows: \(done.added) attendees added, \(done.changed) changed, \(done.unchanged) as they "
                        + "were; \(done.tagsAdded) tags added, \(done.passesMade) passes made"
                        + (done.zonesMade.isEmpty ? "" : "; zones made: " + done.zonesMade.joined(separator: ", ")))
            } catch let refused as RegistrationList.Refused {
                throw ProgramError.failed(
                    "\(path): \(refused.count) bad row\(refused.count == 1 ? "" : "s"), nothing was stored\n\(refused)")
            }
        }
    }

    private static let setEvent = Command(
        "event set", "name the event, its time zone, and when its day begins",
        options: [
            databaseURL, Option("name", "NAME", "needed the first time"),
            Option("time-zone", "ZONE", "as PostgreSQL knows it, Asia/Dubai; Etc/UTC at first"),
            Option("day-start", "HH:MM", "when nobody is inside any more; 06:00 at first"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let (name, zone, start) = (arguments["name"], arguments["time-zone"], arguments["day-start"])
        guard name != nil || zone != nil || start != nil else {
            throw ProgramError.usage("one of --name, --time-zone, --day-start is needed")
        }
        return {
            try withRegistry(url) { try $0.setEvent(name: name, timeZone: zone, dayStart: start) }
        }
    }

    // MARK: Tags

    private static func tagOptions(_ prefix: String, _ whose: String) -> [Option] {
        [
            Option("\(prefix)uid", "HEX", "\(whose): UID of a chip"),
            Option("\(prefix)sun", "HEX", "\(whose): UID of a chip that authenticates itself"),
            Option("\(prefix)code", "TEXT", "\(whose): text of a code"),
            Option("\(prefix)tag", "ID", "\(whose): tag ID, as it stands in the database"),
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
        guard let bytes = TagIdentity.uidBytes(text) else {
            throw ProgramError.usage("--\(prefix)\(given[0]) \(text) is not the hex of a UID")
        }
        return key.tagID(of: given[0] == "uid" ? .uid(bytes) : .sun(bytes))
    }

    private static let revoke = Command(
        "tag revoke", "take a tag out of use; gates know with their next snapshot",
        options: [databaseURL, eventKeyFile] + tagOptions("", "the tag")
            + [Option("status", "lost|void|active", "what it becomes", default: "lost")]
    ) { arguments in
        let (url, tag) = (try database(arguments), try tag(arguments, ""))
        let status = try arguments.choice("status", Registry.TagStatus.self) ?? .lost
        return {
            let name = try withRegistry(url) { try $0.setTag(tag, status) }
            print("tag \(tag.rawValue) of \(name) is \(status.rawValue)")
        }
    }

    private static let replace = Command(
        "tag replace", "give the attendee of a lost tag a new one",
        options: [databaseURL, eventKeyFile] + tagOptions("", "the lost tag") + tagOptions("new-", "the new tag")
    ) { arguments in
        let (url, old, new) = (try database(arguments), try tag(arguments, ""), try tag(arguments, "new-"))
        return {
            let name = try withRegistry(url) { try $0.replaceTag(old, by: new) }
            print("\(name) has tag \(new.rawValue) now; tag \(old.rawValue) is lost")
        }
    }
}
