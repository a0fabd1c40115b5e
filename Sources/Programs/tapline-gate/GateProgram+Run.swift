import CLI
import Crypto
import DataFolder
import FileSystem
import GateController
import Runtime
import ScanJournal
import ScanModel
import SnapshotInstall

extension GateProgram {
    private static let settings: [Option] = [
        .dataFolder, .enrolment, .scanner,
        Option("event-key-file", "FILE", "file with the event key, 32 raw bytes", alternative: "event-key"),
        Option(
            "event-key", "HEX", "event key, 64 hexadecimal digits", alternative: "event-key-file", isConcealed: true),
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
            folder: try arguments.required("data"), scanner: try arguments.requiredScanner(),
            key: try key(arguments), gateName: arguments["gate"],
            format: try arguments.choice("output", VerdictLine.Format.self) ?? .text,
            readers: readers.settings)
        settings.isInspection = arguments.has("inspection")
        settings.keepDays = try arguments.int("keep-days", 1...3_650) ?? Journal.keepDaysDefault
        let hardware = try LaneHardware(arguments)
        settings.hasTurnstile = hardware.hasTurnstile
        settings.passageMs = hardware.passageMs
        // A key that no installed snapshot has would make every tag unknown. `--check` fails already if the current
        // snapshot has another key; a lane that can go on with an older one does so, with an alarm.
        try settings.requireMatchingKey(allowsOlder: !arguments.isCheck)
        if arguments.isCheck { try settings.requireKnownGate() }
        return { [settings] in
            let reloader = SnapshotReloader(
                SnapshotStore(folder: DataFolderPaths.snapshots(settings.folder)),
                keyFingerprint: settings.key.fingerprint)
            reloader.check()
            let monitor = DeviceMonitor(folder: settings.folder)
            let inbox = LaneInbox()
            let (services, notify) = hardware.make(inbox)
            let printer = VerdictPrinter()
            let lane = Service.thread("lane") { stop in
                // A display has standard output for itself. A program that writes taps to standard input waits for each
                // verdict, so these lines are written directly. Otherwise a separate thread writes them.
                let writeVerdict: (String) throws -> Void =
                    switch (hardware.display, readers.hasStandardInput) {
                    case (.none, true): StandardOutput.writeLine
                    case (.none, false): printer.enqueue
                    default: { _ in }
                    }
                let lane = try Lane(
                    settings, reloader: reloader, deviceMonitor: monitor, inbox: inbox,
                    writeVerdict: writeVerdict, notify: notify)
                try lane.runWithControlSocket(readers.hasStandardInput ? LineInput() : nil, stop: stop)
            }
            // The lane is last, so it stops first. Then nothing moves the turnstile.
            let own = [reloader.service(), monitor.service(), printer.service()]
            try await ServiceGroup(own + services + readers.make(inbox) + [lane]).run()
        }
    }

    private static func key(_ arguments: Arguments) throws -> EventKey {
        switch (arguments["event-key-file"], arguments["event-key"]) {
        case (_?, nil): return try arguments.eventKey()
        case (nil, let text?):
            guard let bytes = Hex.decode(text), let key = EventKey(bytes) else {
                throw ProgramError.configuration("--event-key: \(2 * EventKey.length) hex digits are needed")
            }
            guard !EventKey.isGuessable(bytes) else {
                throw ProgramError.configuration("--event-key: all bytes are equal, so anybody can guess the key")
            }
            return key
        case (nil, nil): throw ProgramError.configuration("--event-key-file FILE, or --event-key, is needed")
        case (_?, _?): throw ProgramError.configuration("--event-key-file and --event-key: one of both is needed")
        }
    }
}
