import AMQP
import CLI
import Crypto
import Ingest
import Postgres
import Registry
import Runtime
import ScanModel
import Synchronization

/// The commands for the messages of `tapline.dead`, in the style of those for the quarantine.
extension Center {
    static let deadLetters = [deadList, deadShow, deadReplay, deadDrop]

    /// The messages that a command applies to: by name, by scanner, or all.
    private struct Choice: Sendable {
        let names: Set<String>
        let scanner: String?

        init(_ arguments: Arguments) throws {
            names = try Set(arguments.positionals.map(Choice.name))
            scanner = try arguments["scanner"].map { try ScannerID(argument: $0).text }
            let given = (names.isEmpty ? 0 : 1) + (scanner == nil ? 0 : 1) + (arguments.has("all") ? 1 : 0)
            guard given == 1 else {
                throw ProgramError.usage("exactly one of NAME ..., --scanner ID, --all is required")
            }
        }

        static let options = [
            Option("scanner", "ID", "all messages of this scanner"), .toggle("all", "all messages"),
        ]

        static func name(_ text: String) throws -> String {
            guard let bytes = Hex.decode(text), bytes.count == DeadLetters.nameBytes else {
                throw ProgramError.usage("'\(text)' is not a name (tapline-center dead-letters list)")
            }
            return text.lowercased()
        }

        func contains(_ letter: DeadLetters.Letter) -> Bool {
            names.isEmpty ? scanner == nil || letter.scanner == scanner : names.contains(letter.name)
        }
    }

    /// A message in a list.
    private struct Row: Encodable, Sendable {
        let name: String
        let scanner: String?
        let user: String?
        let bytes: Int
        let reason: String?
        let queue: String?
        let diedAt: String?
        var routingKey: String?
        var body: String?

        init(_ letter: DeadLetters.Letter, isWhole: Bool = false) {
            name = letter.name
            scanner = letter.scanner
            user = letter.userID
            bytes = letter.size
            reason = letter.death?.reason
            queue = letter.death?.queue
            diedAt = letter.death?.timeS.map { UTCTime.text(microseconds: $0 * 1_000_000) }
            guard isWhole else { return }
            routingKey = String(decoding: letter.routingKey, as: UTF8.self)
            body = Hex.encode(letter.body)
        }

        enum CodingKeys: String, CodingKey {
            case name, scanner, user, bytes, reason, queue, body
            case diedAt = "died_at"
            case routingKey = "routing_key"
        }

        var cells: [(String, String)] {
            [
                ("name", name), ("scanner", scanner ?? ""), ("user", user ?? ""), ("bytes", "\(bytes)"),
                ("reason", reason ?? ""), ("queue", queue ?? ""), ("died_at", diedAt ?? ""),
            ]
        }
    }

    /// Reads the messages on a thread with the stack that AMQP needs.
    private static func readDead(
        _ brokers: [AMQPAddress], keptBytes: Int? = nil, removesUndecodable: Bool = false,
        _ body: @escaping @Sendable (DeadLetters.Letter) throws -> DeadLetters.Disposal
    ) async throws -> DeadLetters.Outcome {
        try await NamedThread.run("dead", stackBytes: AMQPConnection.stackBytes) {
            let letters = DeadLetters(brokers: brokers)
            guard let keptBytes else { return try letters.read(removesUndecodable: removesUndecodable, body) }
            return try letters.read(keptBytes: keptBytes, removesUndecodable: removesUndecodable, body)
        }
    }

    private static func tellUnread(_ outcome: DeadLetters.Outcome) {
        if outcome.unread > 0 {
            TextOutput.line("\(outcome.unread) more were not read: replay or drop some, and repeat the command")
        }
    }

    private static let deadList = Command(
        "dead-letters list", "list the messages that the broker moved to tapline.dead, the oldest first",
        options: [brokerURL, .output],
        details: """
            name is the beginning of the SHA-256 of the content. reason is that of the broker: rejected
            (by a center that could not even quarantine it), expired, maxlen or delivery_limit.
            """
    ) { arguments in
        let brokers = try brokers(arguments)
        let json = try arguments.outputFormat() == .json
        return {
            let rows = Collected<Row>()
            // The names need no content.
            let outcome = try await readDead(brokers, keptBytes: 0) { letter in
                rows.append(Row(letter))
                return .keep
            }
            if json { return TextOutput.json(try JSONOutput.line(rows.all)) }
            let cells = rows.all.map(\.cells)
            let columns = ["name", "scanner", "user", "bytes", "reason", "queue", "died_at"]
            TextOutput.lines(Listing(columns: columns, rows: cells.map { $0.map(\.1) }).table)
            tellUnread(outcome)
        }
    }

    private static let deadShow = Command(
        "dead-letters show", positionals: "NAME", count: 1...1, "show one message with its bytes in hex",
        options: [brokerURL, .output]
    ) { arguments in
        let brokers = try brokers(arguments)
        let name = try Choice.name(arguments.positionals[0])
        let json = try arguments.outputFormat() == .json
        return {
            let rows = Collected<Row>()
            _ = try await readDead(brokers) { letter in
                if letter.name == name, rows.all.isEmpty { rows.append(Row(letter, isWhole: true)) }
                return .keep
            }
            guard let row = rows.all.first else { throw ProgramError.failed("there is no dead letter \(name)") }
            if json { return TextOutput.json(try JSONOutput.line(row)) }
            for (column, value) in row.cells + [("routing_key", row.routingKey ?? ""), ("body", row.body ?? "")] {
                TextOutput.line("\(column): \(value)")
            }
        }
    }

    private static let deadReplay = Command(
        "dead-letters replay", positionals: "[NAME ...]", count: 0...10_000,
        "store messages, with deduplication; stored messages leave tapline.dead",
        options: [brokerURL, databaseURL] + Choice.options + [relayUser]
    ) { arguments in
        let (url, choice) = (try database(arguments), try Choice(arguments))
        let brokers = try brokers(arguments)
        let relayUsers = Set(arguments.all("relay-user"))
        return {
            let counts = Counts()
            let outcome = try await readDead(brokers) { letter in
                guard choice.contains(letter) else { return .keep }
                counts.chosen.add()
                // A connection for each message: they are few.
                let problem = try withRegistry(url) { _, connection in
                    try replayDead(letter, connection, relayUsers)
                }
                guard let problem else { return .remove }
                TextOutput.line("\(letter.name): \(problem)")
                return .keep
            }
            let left = counts.chosen.value - outcome.removed
            TextOutput.line("\(outcome.removed) stored, \(left) left")
            tellUnread(outcome)
            if outcome.removed > 0 { try withRegistry(url) { _, connection in try trackNow(connection) } }
            guard counts.chosen.value > 0 || choice.names.isEmpty else {
                throw ProgramError.failed("there are no such messages")
            }
            guard left == 0 else { throw ProgramError.failed("\(left) messages could not be stored") }
        }
    }

    /// Stores a message in a transaction.
    ///
    /// - Returns: why it was not stored as a whole; `nil` if it was.
    private static func replayDead(
        _ letter: DeadLetters.Letter, _ connection: PostgresConnection, _ relayUsers: Set<String>
    ) throws -> String? {
        guard let delivery = letter.delivery else { return "cannot be stored: it has \(letter.size) bytes" }
        let store = try IngestStore(connection, relayUsers: relayUsers, limits: .ofOperator)
        let outcome = try store.store([delivery], quarantining: false)[0]
        if case .accepted(_, _, conflicts: 0) = outcome { return nil }
        return describe(outcome)
    }

    private static let deadDrop = Command(
        "dead-letters drop", positionals: "[NAME ...]", count: 0...10_000, "delete messages permanently",
        options: [brokerURL] + Choice.options
    ) { arguments in
        let (brokers, choice) = (try brokers(arguments), try Choice(arguments))
        let removesUndecodable = arguments.has("all")
        return {
            let outcome = try await readDead(brokers, keptBytes: 0, removesUndecodable: removesUndecodable) { letter in
                choice.contains(letter) ? .remove : .keep
            }
            TextOutput.line("\(outcome.removed) dropped")
            tellUnread(outcome)
            guard outcome.removed > 0 || choice.names.isEmpty else {
                throw ProgramError.failed("there are no such messages")
            }
        }
    }

    private struct Counts: Sendable {
        let chosen = Counter()
    }

    /// Elements that another thread appends.
    private final class Collected<Element: Sendable>: Sendable {
        private let elements = Mutex<[Element]>([])

        func append(_ element: Element) { elements.withLock { $0.append(element) } }
        var all: [Element] { elements.withLock { $0 } }
    }
}
