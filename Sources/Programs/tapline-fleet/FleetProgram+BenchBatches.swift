import AMQP
import Benchmarks
import BrokerOptions
import CLI
import FleetSimulation
import Runtime

/// The commands of the benchmarks that measure the center.
extension FleetProgram {
    static let benchTags = Command(
        "bench tags", "print the tag IDs of the generated attendees, one per line",
        options: [
            attendees, seed,
            Option("more", "N", "number of additional attendees without taps, for bench publish", default: "0"),
        ]
    ) { arguments in
        let plan = try plan(arguments)
        let more = try arguments.int("more", 0...10_000_000) ?? 0
        return { TextOutput.lines(plan.tags(more: more).map { "\($0)" }) }
    }

    static let benchPublish = Command(
        "bench publish",
        "publish generated batches over one connection and wait for all confirms",
        options: [
            Option(
                "amqp-url", "URL", "broker, amqps://, or amqp:// on this machine", kind: .secrets, required: true,
                companions: Option.brokerSecurity),
            Option("exchange", "NAME", "exchange", default: "tapline.scans"),
            Option(
                "format", "cbor|json", "format of the batches: scan batch v1, or its columns as JSON", default: "cbor"),
            Option("scanners", "N", "number of scanners, with one journal each", default: "200"),
            Option("scans", "N", "number of scans of all scanners together", default: "2000000"),
            Option("batch", "N", "number of scans in a batch", default: "500"),
            attendees, seed,
            Option("prefix", "NAME", "prefix of the scanners' identities: NAME-0001 and so on", default: "fleet"),
            Option("starts", "S", "device time of the first scans, in seconds since 1970", default: "1700000000"),
            Option("delivered", "N", "number of batches of each journal that an earlier run delivered", default: "0"),
            Option("repeat", "PERCENT", "percentage of batches that repeat those of the earlier run", default: "0"),
            Option(
                "rate", "N",
                "scans per second with the current time; prints 'TAG MICROSECONDS' of each batch's last scan"),
            Option("first-marker", "N", "number of the first additional attendee for these scans", default: "0"),
        ],
        details: "The same options give the same batches."
    ) { arguments in
        var plan = try namingOptions { try FleetProgram.plan(arguments) }
        plan.batchScans = try arguments.int("batch", 1...10_000) ?? 500
        plan.delivered = try arguments.int("delivered", 0...1_000_000) ?? 0
        plan.repeatedPercent = try arguments.int("repeat", 0...100) ?? 0
        try namingOptions { try plan.check() }
        let format = try arguments.choice("format", BatchPublication.Format.self) ?? .cbor
        let exchange = try arguments.required("exchange")
        let rate = try arguments.int("rate", 1...1_000_000)
        let first = try arguments.int("first-marker", 0...10_000_000) ?? 0
        return { [plan] in
            try await ServiceGroup([
                .thread("publish", stackBytes: BatchPublication.stackBytes) { stop in
                    let publication = try connect(plan, exchange: exchange, format: format)
                    let isDone =
                        try rate.map { try publication.live(rate: $0, firstMarker: first, stop) }
                        ?? publication.fill(stop)
                    guard isDone else { throw ProgramError.failed("stopped before all batches were confirmed") }
                }
            ]).run()
        }
    }

    /// Connects to the broker.
    ///
    /// - Throws: `ProgramError`: configuration for an invalid URL, otherwise unreachable.
    private static func connect(
        _ plan: BatchPlan, exchange: String, format: BatchPublication.Format
    ) throws -> BatchPublication {
        do { return try BatchPublication(plan, exchange: exchange, format: format) } catch let error as AMQPError {
            switch error.kind {
            case .address: throw ProgramError.configuration("--amqp-url: \(error)")
            case .insecure: throw ProgramError.configuration("--amqp-url: \(error) (--insecure-amqp permits it)")
            default: throw ProgramError.unreachable("\(error)")
            }
        }
    }

    private static let attendees = Option("attendees", "N", "number of generated attendees", default: "40000")
    private static let seed = Option("seed", "N", "seed of the random numbers", default: "1")

    private static func plan(_ arguments: Arguments) throws -> BatchPlan {
        var fleet = FleetSettings(
            scanners: try arguments.int("scanners", 1...FleetSettings.scannersLimit) ?? 200,
            scans: try arguments.int("scans", 1...1_000_000_000) ?? 2_000_000,
            source: .synthetic(attendees: try arguments.int("attendees", 1...10_000_000) ?? 40_000),
            urls: arguments.all("amqp-url"))
        fleet.seed = UInt64(try arguments.int("seed", 0...Int.max) ?? 1)
        fleet.prefix = arguments["prefix"] ?? "fleet"
        fleet.security = try arguments.amqpSecurity()
        _ = try fleet.scanner(fleet.scanners - 1)
        return BatchPlan(fleet, startsMs: Int64(try arguments.int("starts", 0...7_000_000_000) ?? 0) * 1_000)
    }
}
