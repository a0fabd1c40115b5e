import Crypto
import Runtime
import Scans
import Snapshots

extension Commands {
    static let explain = Command(
        "explain", positionals: "FILE", count: 1...1, "shows what every gate says to one tag, and what its pass opens",
        options: [
            Option("tag", "N", "the tag ID, as the database has it"),
            Option("uid", "HEX", "instead: the UID of a chip; needs --event-key-file"),
            Option("sun", "HEX", "instead: the UID of a chip that authenticated itself; needs --event-key-file"),
            Option("code", "TEXT", "instead: the text of a code; needs --event-key-file"),
            Option("event-key-file", "FILE", "32 raw bytes"),
            Option("at", "TIME", "RFC 3339; now unless given"),
            output,
        ]
    ) { arguments in
        let format = try arguments.choice("output", Output.self) ?? .text
        let (path, tag) = (arguments.positionals[0], try tag(arguments))
        let proof: Tap.Proof =
            arguments.has("sun") ? .authentic(counter: 1) : arguments.has("code") ? .code : .uid
        var atMs = SystemClock.nowMicroseconds() / 1_000
        if let text = arguments["at"] {
            guard let time = UTCTime.microseconds(text) else {
                throw ProgramError.configuration("--at \(text): an RFC 3339 time is needed")
            }
            atMs = time / 1_000
        }
        let at = atMs
        return {
            let explanation = try Explanation(
                Snapshot(path: path), tag, proof: proof, atMs: at)
            print(format == .json ? explanation.json : explanation.text)
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
        guard let bytes = Hex.decode(text), !bytes.isEmpty else {
            throw ProgramError.configuration("--\(given[0]) \(text): hexadecimal digits are needed")
        }
        return key.tagID(of: given[0] == "sun" ? .sun(bytes) : .uid(bytes))
    }
}
