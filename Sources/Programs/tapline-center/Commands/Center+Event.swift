import CLI
import Crypto
import FileSystem
import Registry
import ScanModel

extension Center {
    static let event = [setEvent, eventKey]

    private static let setEvent = Command(
        "event set", "set the name, the time zone and the day start of the event",
        options: [
            databaseURL, Option("name", "NAME", "name of the event, a label; required the first time"),
            Option("time-zone", "ZONE", "time zone, a region and a city such as Asia/Dubai, or UTC; Etc/UTC at first"),
            Option("day-start", "HH:MM", "local time at which the event day starts; 06:00 at first"),
            Option(
                "id", "UUID",
                "ID of an event whose database was made again (event_id in manifest.json); default a new one"),
            Option(
                "code-case", "exact|fold",
                "fold: codes that differ only in capital letters (A to Z) are the same code; exact at first"),
            Option(
                "event-key-file", "FILE",
                "file with the event key, to correct the fingerprint that the event has; lists normally set it"),
            .toggle(
                "allow-unknown-tags",
                "permit --code-case or --event-key-file to change while tags are registered, which may become unknown"),
        ]
    ) { arguments in
        let url = try database(arguments)
        var change = RegistryStore.EventChange()
        change.name = arguments["name"]
        change.timeZone = arguments["time-zone"]
        change.dayStart = arguments["day-start"]
        change.id = arguments["id"]
        change.codeCase = try arguments.choice("code-case", CodeCase.self)
        change.keyFingerprint = try arguments.eventKeyFingerprint()
        guard change != RegistryStore.EventChange() else {
            throw ProgramError.usage(
                "one of --name, --time-zone, --day-start, --id, --code-case, --event-key-file is required")
        }
        change.allowsUnknownTags = arguments.has("allow-unknown-tags")
        return { [change] in
            let event = try withRegistry(url) { try $0.setEvent(change) }
            TextOutput.line(
                "event '\(event.name)', ID \(event.id), time zone \(event.timeZone) (UTC\(event.offset) now)")
            TextOutput.line("codes: \(event.codeCase.rawValue); event key: \(event.keyFingerprint ?? "not known yet")")
            TextOutput.line("next event day starts \(event.nextDayLocal) local time, \(event.nextDayUTC) UTC")
            guard event.tagsOfFormerCodeCase > 0 else { return }
            TextOutput.line(
                "\(event.tagsOfFormerCodeCase) tags are registered: codes with capital letters are unknown at the gates "
                    + "until the lists with codes are imported again (tapline-center import --replace-tags)")
        }
    }

    private static let eventKey = Command(
        "event key", "create the file of the event key, or print the fingerprint of an existing one",
        options: [
            Option("out", "FILE", "file to create, with 32 random bytes and mode 600; must not exist"),
            Option("event-key-file", "FILE", "file to print the fingerprint of, if --out is not given"),
        ]
    ) { arguments in
        guard let path = arguments["out"] else {
            guard arguments.has("event-key-file") else {
                throw ProgramError.usage("--out FILE or --event-key-file FILE is required")
            }
            let key = try arguments.eventKey()
            return { TextOutput.line("fingerprint \(key.fingerprint)") }
        }
        return {
            let bytes = randomBytes(EventKey.length)
            guard let key = EventKey(bytes) else { preconditionFailure("the key has its length") }
            do { try Files.create(path, bytes, mode: 0o600) } catch let error where Files.exists(path) {
                throw ProgramError.configuration(
                    "--out \(path): \(error); an event key is never overwritten, because all tags are made with it")
            }
            TextOutput.line("\(path)  keep it secret, and keep a copy in a safe: every gate needs it, no other device")
            TextOutput.line("fingerprint \(key.fingerprint)")
        }
    }
}
