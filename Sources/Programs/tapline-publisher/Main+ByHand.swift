import CLI
import Runtime
import ScanModel
import ScanUpload

/// What a runner does when nothing connects: docs/by-hand.md.
extension Main {
    private static let whose = Option(
        "scanner", "ID", "identity whose scans are selected; required only if the folder has scans of several")
    private static let patience = Option(
        "give-up-s", "S", "end after this time without a confirm of the broker, in seconds, 1 to 86400", default: "60")

    static let export = Command(
        "export", "write scans as batch files for tapline-center load; the scans do not count as uploaded",
        options: [
            data, whose, Option.enrolment,
            Option("out", "DIR", "folder on the USB stick; complete files in it are kept", required: true),
            .toggle("all", "include scans that the broker has confirmed"),
            Option("since", "TIME", "scans from this time on (RFC 3339), confirmed or not"), output,
        ]
    ) { arguments in
        let choice: BatchExport.Choice
        switch (try arguments["since"].map(time), arguments.has("all")) {
        case (nil, false): choice = .unshipped
        case (nil, true): choice = .all
        case (let sinceMs?, false): choice = .since(sinceMs)
        case (_?, true): throw ProgramError.usage("--all and --since exclude each other")
        }
        let export = BatchExport(
            choice, folder: try arguments.required("data"), scanner: try arguments["scanner"].map(scanner),
            out: try arguments.required("out"))
        let isJSON = try arguments.choice("output", OutputFormat.self) == .json
        return {
            let report = try await NamedThread.run("export") { try export.run() }
            print(isJSON ? try report.json() : report.text())
            guard report.isWhole else { throw ProgramError.failed("not everything could be read: see above") }
        }
    }

    static let ship = Command(
        "ship", "upload the scans of a failed device's data folder once; the folder is not changed",
        options: [
            Option("data", "DIR", "data folder, or a copy of it; may be read-only", required: true), whose,
            Option.enrolment, broker,
            .toggle("all", "include scans that the broker had confirmed to the device"), patience, output,
        ]
    ) { arguments in try delivery(.dead(all: arguments.has("all")), arguments) }

    static let resend = Command(
        "resend", "upload scans again after the center has lost some; a publisher may run or not",
        options: [
            data, whose, Option.enrolment, broker,
            Option(
                "since", "TIME", "scans from this time of the device's clock on (RFC 3339)",
                required: true), patience, output,
        ]
    ) { arguments in
        try delivery(.since(time(arguments.required("since"))), arguments)
    }

    private static func delivery(_ kind: OfflineDelivery.Kind, _ arguments: Arguments) throws -> Command.Work {
        let seconds = try arguments.int("give-up-s", 1...86_400) ?? 60
        let delivery = try OfflineDelivery(
            kind, folder: try arguments.required("data"), scanner: try arguments["scanner"].map(scanner),
            urls: arguments.all("amqp-url"), patienceMs: Int64(seconds) * 1_000)
        let isJSON = try arguments.choice("output", OutputFormat.self) == .json
        return {
            let stop = StopSignal()
            let signals = SignalWatch { _ in stop.stop() }
            defer { signals.end() }
            let report = try await NamedThread.run("delivery") { try delivery.run(stop) }
            print(isJSON ? try report.json() : report.text())
            guard report.isWhole else {
                throw ProgramError.failed("all that is readable is confirmed; not everything was: see above")
            }
        }
    }

    /// Milliseconds since 1970.
    private static func time(_ text: String) throws -> Int64 {
        guard let microseconds = UTCTime.microseconds(text) else {
            throw ProgramError.configuration("--since \(text): an RFC 3339 time is needed, as 2026-11-25T03:00:00Z")
        }
        return microseconds / 1_000
    }
}
