import CLI
import Registry
import Runtime
import ScanModel
import Tracking

extension Center {
    static let voidScans = Command(
        "scanner void-scans", positionals: "ID", count: 1...1,
        "make the scans of a stolen scanner count nowhere; they stay stored",
        options: [
            databaseURL,
            Option("since", "TIME", "scans that arrived from this time on (RFC 3339); required without --undo"),
            Option("until", "TIME", "scans that arrived before this time (default: also those that arrive later)"),
            .toggle("undo", "make them count again; without --since, all of the scanner"),
        ],
        details: """
            A scan is void by its arrival at the center, because a thief sets the clock of the device. Void scans are
            in the view tapline.void_scans. They are not in presence, the counts of the gates and double admissions.
            The command reads all stored scans, and repairs what is tracked as `tracking rebuild` does.
            """
    ) { arguments in
        let (url, id) = (try database(arguments), try ScannerID(argument: arguments.positionals[0]))
        let isVoid = !arguments.has("undo")
        let (since, until) = (try time("since", arguments), try time("until", arguments))
        guard since != nil || !isVoid else {
            throw ProgramError.usage("--since TIME is required: the time from which the scanner was not trusted")
        }
        guard (since ?? .min) < (until ?? .max) else { throw ProgramError.usage("--until must be later than --since") }
        return {
            // No time limit: the duration depends on the number of scans.
            let (count, isEnabled) = try withRegistry(url, statementTimeoutMs: 0) { registry, connection in
                let isEnabled = try registry.isEnabled(id)
                let count = try TrackingStore(connection).setVoid(
                    id.text, sinceMicros: since, untilMicros: until, isVoid: isVoid)
                return (count, isEnabled)
            }
            TextOutput.line(
                "\(count) stored scans of scanner \(id) are void; presence, counts and double admissions are correct")
            if isVoid, until == nil, isEnabled {
                TextOutput.line("scanner \(id) is still enabled: remove it with tapline-center scanner remove \(id)")
            }
        }
    }

    /// Returns microseconds since 1970-01-01 UTC; `nil` if the option is not given.
    static func time(_ flag: String, _ arguments: Arguments) throws -> Int64? {
        try arguments[flag].map { text in
            guard let micros = UTCTime.microseconds(text) else {
                throw ProgramError.usage("--\(flag) \(text): an RFC 3339 time is needed, as 2026-11-25T03:00:00Z")
            }
            return micros
        }
    }
}
