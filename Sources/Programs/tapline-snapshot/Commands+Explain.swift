import CLI
import LinuxSystem
import Runtime
import ScanModel
import SnapshotExport
import Snapshots

extension Commands {
    static let explain = Command(
        "explain", positionals: "FILE|DIR", count: 1...1,
        "show the verdict of one gate or all gates for a tag, the reason, and the access of its pass",
        options: [
            Option("gate", "NAME", "one gate; if not given, all gates"),
            Option("direction", "in|out", "direction of the person", default: "in"),
            Option("at", "TIME", "time of the tap in RFC 3339; if not given, now"),
            Option(
                "inside-since", "TIME",
                "assume that the lane admitted the person at this time, without an exit; snapshots have no presence"),
            .eventKeyFile, .output,
        ] + Option.tag("the tag")
    ) { arguments in
        let format = try arguments.outputFormat()
        let path = arguments.positionals[0]
        let proof: Tap.Proof =
            arguments.has("sun") ? .authentic(counter: 1) : arguments.has("code") ? .code : .uid
        let question = Explanation.Question(
            tag: try arguments.tag(), proof: proof,
            atMs: try time("at", arguments) ?? SystemClock.nowMicroseconds() / 1_000,
            direction: try arguments.choice("direction", Direction.self) ?? .in, gate: arguments["gate"],
            insideSinceMs: try time("inside-since", arguments))
        return {
            let explanation = try Explanation(Snapshot(path: NewestSnapshot.file(path)), question)
            print(format == .json ? try explanation.json() : explanation.text)
        }
    }

    /// - Returns: milliseconds since 1970; `nil` if not given.
    private static func time(_ flag: String, _ arguments: Arguments) throws -> Int64? {
        try arguments[flag].map { text in
            guard let time = UTCTime.microseconds(text) else {
                throw ProgramError.configuration("--\(flag) \(text): not an RFC 3339 time (2026-05-06T08:00:00Z)")
            }
            return time / 1_000
        }
    }
}
