import Benchmarks
import CLI
import FileSystem
import Runtime
import ScanModel

private enum BenchStart: String, CaseIterable { case tag, uid }

/// The commands of `scripts/bench edge`.
extension FleetProgram {
    static let benchSnapshot = Command(
        "bench snapshot", "create a snapshot of generated attendees with one gate",
        options: benchOptions + [
            Option("out", "FILE", "new file", required: true),
            Option("snapshot-version", "N", "version of the snapshot", default: "1"),
            Option(
                "policy", "JSON", "policy of the gate (docs/reference/policy.md)", default: #"{"antipassback":"soft"}"#),
        ]
    ) { arguments in
        let (world, _) = try benchWorld(arguments)
        let (scanner, path) = (try arguments.requiredScanner(), try arguments.required("out"))
        let version = Int64(try arguments.int("snapshot-version", 1...Int.max) ?? 1)
        let policy = try arguments.required("policy")
        return { try world.writeSnapshot(path: path, version: version, scanner: scanner, policy: policy) }
    }

    static let benchJournal = Command(
        "bench journal", "fill the journal of a data folder with scans of the last days",
        options: benchOptions + [
            Option("data", "DIR", "data folder of the scanner", required: true),
            Option("scans", "N", "number of scans", default: "5000000"),
        ]
    ) { arguments in
        let (world, _) = try benchWorld(arguments)
        let (scanner, folder) = (try arguments.requiredScanner(), try arguments.required("data"))
        let scans = try arguments.int("scans", 1...1_000_000_000) ?? 5_000_000
        return { try world.fillJournal(folder: folder, scanner: scanner, scans: scans, snapshot: 1, seed: 1) }
    }

    static let benchDecide = Command(
        "bench decide", "measure look-up and decision; prints median, p99, p99.9 and maximum in microseconds",
        options: benchOptions + [
            Option("snapshot", "FILE", "snapshot of bench snapshot", required: true),
            Option("count", "N", "number of decisions", default: "200000"),
            Option(
                "from", "tag|uid",
                "start of the measurement: with the tag ID, or with the UID before the tag ID is computed",
                default: "tag"),
            Option("seed", "N", "seed of the random numbers", default: "1"),
        ]
    ) { arguments in
        let (world, key) = try benchWorld(arguments)
        let path = try arguments.required("snapshot")
        let count = try arguments.int("count", 1...100_000_000) ?? 200_000
        let start = try arguments.choice("from", BenchStart.self) ?? .tag
        let bench = LaneBench(world, seed: UInt64(try arguments.int("seed", 0...Int.max) ?? 1))
        return { TextOutput.line(try bench.decisions(snapshot: path, key: key, count: count, fromUID: start == .uid)) }
    }

    static let benchTap = Command(
        "bench tap",
        "measure a gate: writes UIDs to standard output and reads verdicts (--output json) from standard input",
        options: benchOptions + [
            Option("report", "FILE", "file for median, p99, p99.9 and maximum in microseconds", required: true),
            Option("count", "N", "number of taps", default: "5000"),
            Option("first", "N", "number of the first attendee", default: "0"),
            Option("gap-ms", "N", "pause after each verdict, in milliseconds", default: "2"),
        ]
    ) { arguments in
        let (world, _) = try benchWorld(arguments)
        let report = try arguments.required("report")
        let count = try arguments.int("count", 1...100_000_000) ?? 5_000
        let first = try arguments.int("first", 0...Int.max) ?? 0
        let gapMs = try arguments.int("gap-ms", 0...60_000) ?? 2
        return {
            let line = try LaneBench(world, seed: 1).taps(count: count, gapMs: gapMs, first: first, stop: StopSignal())
            try Files.writeAtomically(Array((line + "\n").utf8), to: report, durable: false)
        }
    }

    private static let benchOptions = [
        Option("attendees", "N", "number of generated attendees", default: "1000000"),
        Option("event-key-file", "FILE", "file with the event key, 32 raw bytes", required: true),
        Option("scanner", "ID", "identity of the scanner at the gate", default: "bench-1"),
    ]

    private static func benchWorld(_ arguments: Arguments) throws -> (BenchWorld, EventKey) {
        let key = try arguments.eventKey()
        return (BenchWorld(attendees: try arguments.int("attendees", 1...100_000_000) ?? 1_000_000, key: key), key)
    }
}
