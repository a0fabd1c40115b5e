import Gate
import Runtime
import Scans
import Snapshots

@main
struct Main {
    static func main() async {
        await Program(
            "tapline-gate", "decides at the lane, from the disk alone, and logs each tap before it tells the verdict",
            commands: [run, status, recover]
        ).main()
    }

    private static let data = Option("data", "DIR", "the scanner's data folder: journals and snapshots", required: true)

    private static let run = Command(
        "run", "read taps, decide, log, print one line a tap; ends with its input or on SIGTERM",
        options: [
            data,
            Option("scanner", "ID", "the identity of this device, [a-z0-9][a-z0-9-]{0,62}", required: true),
            Option("event-key-file", "FILE", "the event key: 32 raw bytes", required: true),
            Option("gate", "NAME", "the gate of this lane, by its name in the snapshot (default the scanner's own)"),
            Option(
                "reader", "stdin", "stdin: one tap a line, <uid hex>[,<in|out>[,<RFC 3339 time>]]", required: true),
            Option("turnstile", "none", "none: verdicts are only printed", default: "none"),
            Option("output", "text|json", "a line for people, or the JSON object of each tap", default: "text"),
        ]
    ) { arguments in
        let settings = Lane.Settings(
            folder: try arguments.required("data"), scanner: try scanner(arguments.required("scanner")),
            key: try key(arguments.required("event-key-file")), gateName: arguments["gate"],
            format: try arguments.choice("output", VerdictLine.Format.self) ?? .text,
            reader: try arguments.required("reader"))
        guard settings.reader == "stdin" else {
            throw ProgramError.configuration("--reader \(settings.reader): this version reads stdin only")
        }
        guard arguments["turnstile"] == "none" else {
            throw ProgramError.configuration("--turnstile: this version moves none")
        }
        return {
            let watch = SnapshotWatch(SnapshotStore(folder: settings.folder + "/snapshots"))
            watch.check()
            let lane = Service.thread("lane") { stop in
                try Lane(settings, watch: watch).run(LineInput(), stop: stop)
            }
            try await ServiceGroup([watch.service(), lane]).run()
        }
    }

    private static let status = Command(
        "status", "what the data folder holds, beside a running gate or without one",
        options: [
            data, Option("scanner", "ID", "whose scans are counted (default the gate's that runs or ran last)"),
            Option("output", "text|json", "for people or for programs", default: "text"),
        ]
    ) { arguments in
        let folder = try arguments.required("data")
        let scanner = try arguments["scanner"].map(scanner)
        let format = try arguments.choice("output", VerdictLine.Format.self) ?? .text
        return {
            guard Files.exists(folder) else { throw ProgramError.failed("--data \(folder): there is no such folder") }
            let status = GateStatus(folder: folder, scanner: scanner)
            print(format == .json ? try status.json() : status.text())
        }
    }

    private static func scanner(_ text: String) throws -> ScannerID {
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--scanner \(text): [a-z0-9][a-z0-9-]{0,62} is needed")
        }
        return id
    }

    private static func key(_ path: String) throws -> EventKey {
        let bytes: [UInt8]
        do { bytes = try Files.read(path, limit: 4_096) } catch {
            throw ProgramError.configuration("--event-key-file: \(error)")
        }
        guard let key = EventKey(bytes) else {
            throw ProgramError.configuration(
                "--event-key-file \(path): \(bytes.count) bytes, \(EventKey.length) raw bytes are needed")
        }
        return key
    }
}
