import CLI
import Crypto
import FileSystem
import GateController
import Runtime
import ScanJournal
import ScanModel
import SnapshotInstall

extension Main {
    private static let settings: [Option] = [
        data, Option.enrolment,
        Option("scanner", "ID", "identity of this device: 1 to 63 of a-z, 0-9 and -, not - first", required: true),
        Option("event-key-file", "FILE", "file with the event key, 32 raw bytes", alternative: "event-key"),
        Option("event-key", "HEX", "event key, 64 hexadecimal digits", alternative: "event-key-file"),
        Option("gate", "NAME", "name of the gate in the snapshot (default the scanner's gate in the registry)"),
        .toggle("inspection", "roaming check: scans are flagged, and change neither presence nor turnstile"),
        Option(
            "keep-days", "N", "days after which uploaded scans are deleted, 1 to 3650",
            default: "\(Journal.keepDaysDefault)"),
        Option("output", "text|json", "output of each tap: a text line or a JSON object", default: "text"),
    ]

    static let run = Command(
        "run", "run the gate: read, decide and journal taps, and print one line per tap, until end of input or SIGTERM",
        options: settings + ReaderFactory.options + LaneHardware.options
    ) { (arguments: Arguments) async throws -> Command.Work in
        let readers = try ReaderFactory(arguments)
        var settings = Lane.Settings(
            folder: try arguments.required("data"), scanner: try scanner(arguments.required("scanner")),
            key: try key(arguments), gateName: arguments["gate"],
            format: try arguments.choice("output", VerdictLine.Format.self) ?? .text,
            readers: readers.settings)
        settings.isInspection = arguments.has("inspection")
        settings.keepDays = try arguments.int("keep-days", 1...3_650) ?? Journal.keepDaysDefault
        let parts = try LaneHardware(arguments)
        (settings.hasTurnstile, settings.passageMs) = (parts.hasTurnstile, parts.passageMs)
        return { [settings] in
            let watch = SnapshotReloader(SnapshotStore(folder: settings.folder + "/snapshots"))
            watch.check()
            let device = DeviceMonitor(folder: settings.folder)
            let mailbox = Mailbox<TimestampedEvent>(capacity: LaneEvent.capacity)
            let (services, notify) = parts.make(mailbox)
            let printer = VerdictPrinter()
            let lane = Service.thread("lane") { stop in
                // A display has standard output to itself. Who writes taps waits for their verdicts, each in its turn; people
                // at a reader wait for nobody's log.
                let tell: (String) throws -> Void =
                    switch (parts.display, readers.hasStandardInput) {
                    case (.none, true): StandardOutput.writeLine
                    case (.none, false): printer.take
                    default: { _ in }
                    }
                let lane = try Lane(
                    settings, watch: watch, device: device, mailbox: mailbox,
                    tell: tell, notify: notify)
                try lane.runWithDesk(readers.hasStandardInput ? LineInput() : nil, stop: stop)
            }
            // The lane stops first: then nothing moves the turnstile any more.
            let own = [watch.service(), device.service(), printer.service()]
            try await ServiceGroup(own + services + readers.make(mailbox) + [lane]).run()
        }
    }

    private static func key(_ arguments: Arguments) throws -> EventKey {
        switch (arguments["event-key-file"], arguments["event-key"]) {
        case (let path?, nil):
            let bytes: [UInt8]
            do { bytes = try Files.read(path, limit: 4_096) } catch {
                throw ProgramError.configuration("--event-key-file: \(error)")
            }
            // Told only: a key made by `head -c 32 /dev/urandom` under a usual umask must do for a first try.
            if Files.status(path)?.isPrivate == false {
                Log("gate").warning("the event key can be read by others: mode 600 is right", [.path: path])
            }
            guard let key = EventKey(bytes) else {
                throw ProgramError.configuration(
                    "--event-key-file \(path): \(bytes.count) bytes, \(EventKey.length) raw bytes are needed")
            }
            return key
        case (nil, let text?):
            guard let key = Hex.decode(text).flatMap({ EventKey($0) }) else {
                throw ProgramError.configuration("--event-key: \(2 * EventKey.length) hex digits are needed")
            }
            return key
        case (nil, nil): throw ProgramError.configuration("--event-key-file FILE, or --event-key, is needed")
        case (_?, _?): throw ProgramError.configuration("--event-key-file and --event-key: one of both is needed")
        }
    }
}
