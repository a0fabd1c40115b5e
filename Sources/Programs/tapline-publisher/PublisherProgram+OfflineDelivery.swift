import BrokerOptions
import CLI
import Runtime
import ScanUpload

/// The commands that deliver scans without a network, or again: docs/operating/offline-delivery.md.
extension PublisherProgram {
    private static let whose = Option(
        "scanner", "ID", "the scanner whose scans are delivered (default: the only one with scans in the folder)")
    private static let confirmLimit = Option(
        "give-up-s", "S", "seconds without a confirm from the broker after which the command fails, 1 to 86400",
        default: "60")

    static let export = Command(
        "export", "write scans as batch files for tapline-center load; exported scans do not count as uploaded",
        options: [
            .dataFolder, whose, .enrolment,
            Option(
                "out", "DIR", "output folder, for example on a USB stick; valid files in it stay", required: true),
            .toggle("all", "include scans that the broker has confirmed"),
            Option("since", "TIME", "all scans from this time on (RFC 3339), confirmed or not"), .output,
        ]
    ) { arguments in
        let choice: BatchExport.Choice
        switch (try arguments["since"].map(time), arguments.has("all")) {
        case (nil, false): choice = .unconfirmed
        case (nil, true): choice = .all
        case (let sinceMs?, false): choice = .since(sinceMs)
        case (_?, true): throw ProgramError.usage("--all and --since exclude each other")
        }
        let export = BatchExport(
            choice, folder: try arguments.required("data"), scanner: try arguments.scanner(),
            output: try arguments.required("out"))
        let format = try arguments.outputFormat()
        return {
            let report = try await NamedThread.run("export") { try namingOptions { try export.run() } }
            try TextOutput.result(format, json: report.json, lines: report.lines)
            guard report.source.isComplete else {
                throw ProgramError.failed("not all scans could be read: see the report")
            }
        }
    }

    static let ship = Command(
        "ship", "upload the scans of a dead device's data folder once; the folder does not change",
        options: [
            Option("data", "DIR", "the data folder, or a copy of it; it may be read-only", required: true), whose,
            .enrolment, .brokers,
            .toggle("all", "include scans that the broker has confirmed to the device"), confirmLimit, .output,
        ]
    ) { arguments in try delivery(.dead(all: arguments.has("all")), arguments) }

    static let resend = Command(
        "resend", "publish scans again after the center has lost some, with or without a running publisher",
        options: [
            .dataFolder, whose, .enrolment, .brokers,
            Option(
                "since", "TIME", "all scans from the first one of this time on (RFC 3339, by the device's clock)",
                required: true), confirmLimit, .output,
        ]
    ) { arguments in
        try delivery(.since(time(arguments.required("since"))), arguments)
    }

    private static func delivery(_ kind: OfflineDelivery.Kind, _ arguments: Arguments) throws -> Command.Work {
        let seconds = try arguments.int("give-up-s", 1...86_400) ?? 60
        let delivery = try namingOptions {
            try OfflineDelivery(
                kind, folder: try arguments.required("data"), scanner: try arguments.scanner(),
                urls: arguments.all("amqp-url"), security: arguments.amqpSecurity(),
                confirmLimitMs: Int64(seconds) * 1_000)
        }
        let format = try arguments.outputFormat()
        return {
            let stop = StopSignal()
            let signals = SignalWatch { _ in stop.stop() }
            defer { signals.end() }
            let report = try await NamedThread.run("delivery", stackBytes: Upload.stackBytes) {
                try namingOptions { try delivery.run(stop) }
            }
            try TextOutput.result(format, json: report.json, lines: report.lines)
            guard report.source.isComplete else {
                throw ProgramError.failed(
                    "all readable scans are confirmed, but some could not be read: see the report")
            }
        }
    }

    /// Returns milliseconds since 1970.
    private static func time(_ text: String) throws -> Int64 {
        guard let microseconds = UTCTime.microseconds(text) else {
            throw ProgramError.configuration("--since \(text): an RFC 3339 time is needed, as 2026-11-25T03:00:00Z")
        }
        return microseconds / 1_000
    }

    /// Runs `body`, and adds to an error the option that corrects it.
    static func namingOptions<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as UploadError {
            let option: String? =
                switch error {
                case .invalidBrokerURL, .insecureBroker: "--amqp-url"
                case .folderMissing, .journalMissing: "--data"
                case .scannerNotSelected: "--scanner"
                case .outputFolderMissing: "--out"
                case .journalUnreadable, .outputFull, .deliveryIncomplete: nil
                }
            var hint = ""
            if case .insecureBroker = error { hint = " (--insecure-amqp permits it)" }
            throw ProgramError(ExitCode(for: error), (option.map { $0 + ": " } ?? "") + "\(error)" + hint)
        }
    }
}
