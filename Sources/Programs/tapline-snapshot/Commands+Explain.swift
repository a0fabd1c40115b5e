import AccessControl
import CLI
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
            Option("gate", "NAME", "name of one gate (default all gates)"),
            Option("direction", "in|out", "direction of the tap", default: "in"),
            Option("at", "TIME", "time of the tap, RFC 3339 (default now)"),
            Option(
                "inside-since", "TIME",
                "assume an admission at this time without an exit; a snapshot does not contain presence"),
            .eventKeyFile, .output,
        ] + Option.tag("the tag")
    ) { arguments in
        let format = try arguments.outputFormat()
        let path = arguments.positionals[0]
        let proof: Tap.Proof =
            arguments.has("sun") ? .authentic(counter: 1) : arguments.has("code") ? .code : .uid
        let tag = try arguments.tag(malformed: .configuration)
        let question = Explanation.Question(
            tag: .none, proof: proof,
            atMs: try time("at", arguments) ?? SystemClock.nowMicroseconds() / 1_000,
            direction: try arguments.choice("direction", Direction.self) ?? .in, gate: arguments["gate"],
            insideSinceMs: try time("inside-since", arguments))
        let fingerprint = try arguments.eventKeyFingerprint()
        return {
            let snapshot = try Snapshot(path: NewestSnapshot.file(path))
            try requireKey(fingerprint, of: snapshot)
            var question = question
            question.tag = tag.id(snapshot.codeCase)
            let explanation = try Explanation(snapshot, question)
            try TextOutput.result(format, json: { try JSONOutput.line(ExplanationObject(explanation: explanation)) }) {
                explanation.lines
            }
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
