import AMQP
import Ingest
import Postgres

/// The broker nodes: connection, version, topology, effective policies and dead letters.
struct BrokerChecks {
    let brokers: [AMQPAddress]
    let managementPort: Int
    /// Knows the number of shards; `nil` without a database.
    let connection: PostgresConnection?

    func run() -> [DoctorCheck] {
        guard !brokers.isEmpty else { return [.skipped("broker", "--amqp-url", "give --amqp-url")] }
        // Before the first start of a center there is no topology.
        let shards = connection.flatMap { try? BrokerInspection.shards($0) }
        return brokers.flatMap { broker in
            let looked = "\(broker.host):\(broker.port)"
            do {
                return checks(
                    try BrokerInspection(broker, shards: shards ?? 0, managementPort: managementPort), looked, shards)
            } catch {
                return [
                    .fault(
                        "broker", looked, "\(error)",
                        do: "start RabbitMQ, or correct user, password and virtual host of --amqp-url")
                ]
            }
        }
    }

    private func checks(_ found: BrokerInspection, _ looked: String, _ shards: Int?) -> [DoctorCheck] {
        var checks = [version(found.product, looked)]
        guard shards != nil else {
            return checks + [.skipped("topology", looked, "no center has started yet, which declares the queues")]
        }
        checks.append(
            found.missing.isEmpty
                ? .good(
                    "topology", "\(found.queues) queues at \(looked)",
                    "all exist; \(found.waiting) batches wait, \(found.consumers) consumers")
                : .fault(
                    "topology", "\(found.queues) queues at \(looked)",
                    "missing: \(found.missing.joined(separator: ", "))",
                    do: "restart a center, which declares them; the scanners publish again what was not confirmed"))
        checks.append(policies(found.policies, looked))
        checks.append(
            found.deadLetters == 0
                ? .good("dead letters", "tapline.dead at \(looked)", "none")
                : .fault(
                    "dead letters", "tapline.dead at \(looked)", "\(found.deadLetters) messages",
                    do: "tapline-center dead-letters list, then dead-letters replay"))
        return checks
    }

    private func version(_ product: String?, _ looked: String) -> DoctorCheck {
        guard let product else {
            return .warning("broker", looked, "it does not tell its version", do: "use RabbitMQ 3.10 or later")
        }
        let numbers = product.split(separator: " ").last?.split(separator: ".").compactMap { Int($0) } ?? []
        guard numbers.count > 1, (numbers[0], numbers[1]) >= (3, 10) else {
            return .fault("broker", looked, product, do: "use RabbitMQ 3.10 or later")
        }
        return .good("broker", looked, product)
    }

    private func policies(_ policies: [BrokerWarning]?, _ looked: String) -> DoctorCheck {
        guard let policies else {
            return .skipped(
                "policies", looked,
                "the management API does not show them to this user; enable rabbitmq_management, and give the user the tag "
                    + "monitoring")
        }
        guard let first = policies.first else {
            return .good("policies", "effective policies of the shard queues at \(looked)", "none removes scans")
        }
        return .fault(
            "policies", "effective policies of the shard queues at \(looked)",
            "\(first.queue) \(first.text)" + (policies.count > 1 ? ", and \(policies.count - 1) more" : ""),
            do: "change its pattern so that it does not match `tapline.`")
    }
}
