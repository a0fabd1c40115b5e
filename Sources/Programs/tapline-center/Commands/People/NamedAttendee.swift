import CLI
import Registry
import ScanModel

/// The person that a command line names: by a text, or by the attendee id.
struct NamedAttendee: Sendable {
    static let options = [
        Option("id", "N", "attendee id, instead of WHO"),
        .eventKeyFile,
    ]
    static let help = """
        WHO is a reference, a tag ID or a name; a part of a name is enough if no other person has it. With --event-key-file it
        can be the text of a code or a UID. If several people match, they are listed with their ids for --id.
        """

    private let text: String?
    private let id: Int64?
    private let key: EventKey?

    /// - Parameter arguments: of a command with `options` and at most one positional argument.
    /// - Throws: `ProgramError` (usage) unless exactly one of WHO and `--id` is given.
    init(_ arguments: Arguments) throws {
        text = arguments.positionals.first
        id = try arguments["id"].map {
            guard let id = Int64($0), id > 0 else { throw ProgramError.usage("--id \($0): not an attendee id") }
            return id
        }
        guard (text == nil) != (id == nil) else {
            throw ProgramError.usage("one of WHO (a name, a reference or a tag ID) and --id N is required")
        }
        key = arguments.has("event-key-file") ? try arguments.eventKey() : nil
    }

    /// Returns the person.
    ///
    /// - Throws: `RegistryError` unless exactly one person matches; `PostgresError`.
    func choose(_ registry: RegistryStore) throws -> ChosenAttendee {
        if let id { return ChosenAttendee(attendee: try registry.attendee(id: id), tag: nil) }
        return try registry.chooseAttendee(text ?? "", key: key)
    }
}

/// People as lines for a terminal of 100 columns.
enum AttendeeTable {
    /// Width of lines in an error, which are indented on a terminal.
    static let errorWidth = TextTable.terminalWidth - 4

    static func lines(_ people: [FoundAttendee], atMost width: Int = TextTable.terminalWidth) -> [String] {
        TextTable(
            columns: ["id", "name", "reference", "category", "status", "tags"],
            rows: people.map {
                [
                    "\($0.id)", $0.name.isEmpty ? "(erased)" : $0.name, $0.reference ?? "", $0.category ?? "",
                    $0.status,
                    "\($0.tags)",
                ]
            }
        ).lines(atMost: width)
    }
}
