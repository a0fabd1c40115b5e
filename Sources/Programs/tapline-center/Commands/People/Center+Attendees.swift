import CLI
import Postgres
import Registry
import Runtime
import ScanModel

extension Center {
    static let attendees = [find, show, block, unblock, add, setPass, erase]

    /// Maximum number of people that `find` prints.
    private static let findRange = 1...10_000

    private static let find = Command(
        "attendee find", positionals: "TEXT ...", count: 1...20,
        "find people by words of name, reference or category, or by a tag",
        options: [
            databaseURL, .eventKeyFile, Option("limit", "N", "maximum number of people", default: "50"), .output,
        ],
        details: """
            Upper and lower case, diacritics and Arabic letter forms are equal. All words must occur. A reference and a
            tag ID are found as a whole; with --event-key-file, the text of a code and a UID are found, too.
            """
    ) { arguments in
        let url = try database(arguments)
        let format = try arguments.outputFormat()
        let text = arguments.positionals.joined(separator: " ")
        let limit = try arguments.int("limit", findRange) ?? 50
        let key = arguments.has("event-key-file") ? try arguments.eventKey() : nil
        return {
            let found = try withRegistry(url) { registry in
                let found = try registry.findAttendees(text, atMost: limit, key: key)
                // Names the nearest people.
                if found.matches.isEmpty, format == .text { _ = try registry.chooseAttendee(text, key: key) }
                return found
            }
            try TextOutput.result(format, json: { try JSONOutput.line(found) }) {
                AttendeeTable.lines(found.matches)
                    + (found.more ? ["more people match: use more words, or --limit"] : [])
            }
        }
    }

    private static let show = Command(
        "attendee show", positionals: "[WHO]", count: 0...1, "show one person: pass, tags, place, and track of the day",
        options: NamedAttendee.options + [
            databaseURL, Option("day", "YYYY-MM-DD", "event day of the track (default: the current one)"), .output,
        ], details: NamedAttendee.help
    ) { arguments in
        let url = try database(arguments)
        let (who, day) = (try NamedAttendee(arguments), arguments["day"])
        if let day, !isDate(day) { throw ProgramError.usage("--day \(day): a date is needed, as 2026-11-30") }
        let format = try arguments.outputFormat()
        return {
            try withRegistry(url) { registry, connection in
                let person = try who.choose(registry).attendee
                try TextOutput.result(
                    format, json: { try PersonReport.json(connection, person.id, day: day) ?? "null" },
                    lines: { try PersonLines(connection).lines(of: person, day: day) })
            }
        }
    }

    private static func isDate(_ text: String) -> Bool {
        text.utf8.count == 10 && UTCTime.microseconds(text + "T00:00:00Z") != nil
    }

    // MARK: Changes

    private static let block = blocking("block", "refuse one person at all gates from their next snapshot on", true)
    private static let unblock = blocking("unblock", "end the block of one person", false)

    private static func blocking(_ word: String, _ summary: String, _ isBlocked: Bool) -> Command {
        Command(
            "attendee \(word)", positionals: "[WHO]", count: 0...1, summary,
            options: NamedAttendee.options + [databaseURL], details: NamedAttendee.help
        ) { arguments in
            let (url, who) = (try database(arguments), try NamedAttendee(arguments))
            return {
                let (person, changed) = try withRegistry(url) { registry in
                    let person = try who.choose(registry).attendee
                    return (person, try registry.setBlocked(person.id, isBlocked))
                }
                let state = isBlocked ? "blocked" : "active"
                TextOutput.line(
                    changed ? "\(person.title) is \(state)" : "\(person.title) is \(state) already; nothing was changed"
                )
            }
        }
    }

    private static let add = Command(
        "attendee add", positionals: "NAME", count: 1...1, "add one person to the registration list",
        options: [
            databaseURL, Option("reference", "TEXT", "reference in another system, unique"),
            Option("category", "TEXT", "category"), Option("pass", "NAME", "pass of the person (default none)"),
            .eventKeyFile,
        ] + Option.tag("the first tag")
    ) { arguments in
        let url = try database(arguments)
        var person = NewAttendee(name: arguments.positionals[0])
        person.reference = arguments["reference"]
        person.category = arguments["category"]
        person.pass = arguments["pass"]
        let hasTag = ["uid", "sun", "code", "tag"].contains(where: arguments.has)
        let tag = hasTag ? try arguments.tag() : nil
        if let tag, isKeyed(tag) { person.keyFingerprint = try arguments.eventKeyFingerprint() }
        if let tag { try requireChip(tag, prefix: "", arguments) }
        return { [person] in
            let made = try withRegistry(url) { registry in
                var person = person
                person.tag = try tag?.id(registry.codeCase())
                return try registry.addAttendee(person)
            }
            TextOutput.line("\(person.name) was added with id \(made.id)")
            if made.namesakes > 0 {
                TextOutput.line("\(made.namesakes) other people have the same name (tapline-center attendee find)")
            }
        }
    }

    private static let setPass = Command(
        "attendee set-pass", positionals: "[WHO]", count: 0...1, "give one person another pass",
        options: NamedAttendee.options + [
            databaseURL, Option("pass", "NAME", "name of the pass; an empty text: none", required: true),
        ], details: NamedAttendee.help
    ) { arguments in
        let (url, who) = (try database(arguments), try NamedAttendee(arguments))
        guard let pass = arguments["pass"] else { throw ProgramError.configuration("--pass is required (see --help)") }
        return {
            let person = try withRegistry(url) { registry in
                let person = try who.choose(registry).attendee
                try registry.setPass(person.id, pass.isEmpty ? nil : pass)
                return person
            }
            TextOutput.line("\(person.title) has \(pass.isEmpty ? "no pass" : "pass '\(pass)'")")
        }
    }

    private static let erase = Command(
        "attendee erase", positionals: "[WHO]", count: 0...1,
        "erase name, category and reference of one person permanently",
        options: NamedAttendee.options + [
            databaseURL, .toggle("confirm", "erase; without it, only say who it would be"),
        ],
        details: """
            Scans and counts stay, under the tag IDs. Gates refuse the tags of the person from their next snapshot on.
            Other copies of the name, such as lists and backups, are named in docs/operating/privacy.md.

            \(NamedAttendee.help)
            """
    ) { arguments in
        let (url, who) = (try database(arguments), try NamedAttendee(arguments))
        let isConfirmed = arguments.has("confirm")
        return {
            let (person, erased) = try withRegistry(url) { registry in
                let person = try who.choose(registry).attendee
                return (person, isConfirmed ? try registry.erase(person.id) : false)
            }
            guard isConfirmed else {
                throw ProgramError.failed(
                    "this would erase \(person.title), and cannot be undone: repeat it with --confirm")
            }
            TextOutput.line(
                erased
                    ? "the names of attendee \(person.id) are erased"
                    : "the names of attendee \(person.id) were erased before; nothing was changed")
        }
    }
}
