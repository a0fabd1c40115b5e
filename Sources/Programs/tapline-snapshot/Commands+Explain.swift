import CLI
import Crypto
import FileSystem
import LinuxSystem
import Runtime
import ScanModel
import SnapshotExport
import Snapshots

extension Commands {
    static let explain = Command(
        "explain", positionals: "FILE|DIR", count: 1...1,
        "show the verdict of one gate or of all gates for a tag, the reason, and the zones of its pass",
        options: [
            Option("tag", "N", "tag ID of the database"),
            Option("uid", "HEX", "instead: UID of a chip; needs --event-key-file"),
            Option("sun", "HEX", "instead: UID of a chip that authenticates itself; needs --event-key-file"),
            Option("code", "TEXT", "instead: text of a code; needs --event-key-file"),
            Option("event-key-file", "FILE", "file with the event key, 32 raw bytes"),
            Option("gate", "NAME", "name of one gate (default all gates)"),
            Option("direction", "in|out", "direction of the tap", default: "in"),
            Option("at", "TIME", "time of the tap, RFC 3339 (default now)"),
            Option(
                "inside-since", "TIME",
                "assume an admission at this time without an exit; a snapshot does not contain presence"),
            output,
        ]
    ) { arguments in
        let format = try arguments.choice("output", Output.self) ?? .text
        let path = arguments.positionals[0]
        let proof: Tap.Proof =
            arguments.has("sun") ? .authentic(counter: 1) : arguments.has("code") ? .code : .uid
        let question = Explanation.Question(
            tag: try tag(arguments), proof: proof,
            atMs: try time("at", arguments) ?? SystemClock.nowMicroseconds() / 1_000,
            direction: try arguments.choice("direction", Direction.self) ?? .in, gate: arguments["gate"],
            insideSinceMs: try time("inside-since", arguments))
        return {
            let explanation = try Explanation(Snapshot(path: NewestSnapshot.file(path)), question)
            print(format == .json ? explanation.json : explanation.text)
        }
    }

    /// Milliseconds since 1970; nil when not given.
    private static func time(_ flag: String, _ arguments: Arguments) throws -> Int64? {
        try arguments[flag].map { text in
            guard let time = UTCTime.microseconds(text) else {
                throw ProgramError.configuration("--\(flag) \(text): an RFC 3339 time is needed")
            }
            return time / 1_000
        }
    }

    private static func tag(_ arguments: Arguments) throws -> TagID {
        let given = ["tag", "uid", "sun", "code"].filter(arguments.has)
        guard given.count == 1, let text = arguments[given[0]] else {
            throw ProgramError.usage("one of --tag, --uid, --sun and --code is needed")
        }
        if given[0] == "tag" {
            guard let number = Int64(text) else {
                throw ProgramError.configuration("--tag \(text): a whole number is needed")
            }
            return TagID(rawValue: number)
        }
        let path = try arguments.required("event-key-file")
        let bytes: [UInt8]
        do { bytes = try Files.read(path, limit: 4_096) } catch {
            throw ProgramError.configuration("--event-key-file: \(error)")
        }
        guard let key = EventKey(bytes) else {
            throw ProgramError.configuration("--event-key-file \(path): \(EventKey.length) raw bytes are needed")
        }
        if given[0] == "code" { return key.tagID(of: .code(text)) }
        guard let bytes = Hex.decode(text.filter { $0 != ":" }), !bytes.isEmpty else {
            throw ProgramError.configuration("--\(given[0]) \(text): hexadecimal digits are needed")
        }
        return key.tagID(of: given[0] == "sun" ? .sun(bytes) : .uid(bytes))
    }
}
