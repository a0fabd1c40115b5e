import AMQP
import CLI
import Ingest
import Runtime

extension Center {
    static let topology = [topologyUpgrade]

    private static let topologyUpgrade = Command(
        "topology upgrade", "replace broker queues that an earlier version declared without x-delivery-limit",
        options: [
            brokerURL, databaseURL,
            Option(
                "wait-s", "S", "time to wait for the end of the centers and for empty queues, in seconds, 0 to 3600",
                default: "0"),
        ],
        details: """
            Queues with messages are left as they are, and the command fails. So does it while a center runs.
            Publishers keep their scans during the upgrade. It can be repeated after each failure.
            """
    ) { arguments in
        let url = try database(arguments)
        let brokers = try brokers(arguments)
        let waitMs = 1_000 * (try arguments.int("wait-s", 0...3_600) ?? 0)
        return {
            let stop = StopSignal()
            let signals = SignalWatch { _ in stop.stop() }
            defer { signals.end() }
            let upgrade = TopologyUpgrade(brokers: brokers, databaseURL: url)
            let replaced = try await NamedThread.run("topology", stackBytes: AMQPConnection.stackBytes) {
                do { return try upgrade.run(waitMs: waitMs, stop) } catch { throw explained(error) }
            }
            TextOutput.line(
                replaced.isEmpty
                    ? "the topology is up to date" : "replaced: " + replaced.joined(separator: ", "))
        }
    }
}
