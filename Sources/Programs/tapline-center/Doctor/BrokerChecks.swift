import AMQP
import Ingest
import Postgres

/// The broker nodes: connection, version, topology, effective policies and dead letters.
struct BrokerChecks {
    let brokers: [AMQPAddress]
    let managementPort: Int
    /// Knows the number of shards; `nil` without a database.
    let connection: PostgresConnection?

    /// What the database says of the shards.
    private enum Shards {
        case declared(Int)
        /// No center has started yet.
        case undeclared
        case unknown

        var count: Int? { if case .declared(let count) = self { count } else { nil } }
    }

    func run() -> [DoctorCheck] {
        guard !brokers.isEmpty else { return [.skipped("broker", "--amqp-url", "give --amqp-url")] }
        return brokers.flatMap { broker in
            let looked = "\(broker.host):\(broker.port)"
            do {
                return checks(
                    try BrokerInspection(broker, shards: shards.count, managementPort: managementPort), looked, shards)
            } catch {
                return [
                    .fault(
                        "broker", looked, "\(error)",
                        do: "start RabbitMQ, or correct user, password and virtual host of --amqp-url")
                ]
            }
        }
    }

    private var shards: Shards {
        guard let connection else { return .unknown }
        do {
            guard let count = try BrokerInspection.shards(connection) else { return .undeclared }
            return .declared(count)
        } catch { return .unknown }
    }

    /// Dead letters and policies are looked at without the database too.
    private func checks(_ found: BrokerInspection, _ looked: String, _ shards: Shards) -> [DoctorCheck] {
        [
            version(found.product, looked), topology(found, looked, shards), policies(found, looked),
            deadLetters(found.deadLetters, looked),
        ]
    }

    private func topology(_ found: BrokerInspection, _ looked: String, _ shards: Shards) -> DoctorCheck {
        switch shards {
        case .undeclared: return .skipped("topology", looked, "no center has started yet, which declares the queues")
        case .unknown:
            return .skipped(
                "topology", looked,
                "the database, which knows the number of queues, does not tell it; \(found.queues) looked for")
        case .declared: break
        }
        return
            found.missing.isEmpty
            ? .good(
                "topology", "\(found.queues) queues at \(looked)",
                "all exist; \(found.waiting) batches wait, \(found.consumers) consumers")
            : .fault(
                "topology", "\(found.queues) queues at \(looked)",
                "missing: \(found.missing.joined(separator: ", "))",
                do: "restart a center, which declares them; the scanners publish again what was not confirmed")
    }

    private func deadLetters(_ count: Int?, _ looked: String) -> DoctorCheck {
        let (name, queue) = ("dead letters", "tapline.dead at \(looked)")
        guard let count else { return .skipped(name, queue, "the queue tapline.dead does not exist") }
        guard count > 0 else { return .good(name, queue, "none") }
        return .fault(
            name, queue, "\(count) messages", do: "tapline-center dead-letters list, then dead-letters replay")
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

    private func policies(_ found: BrokerInspection, _ looked: String) -> DoctorCheck {
        guard found.hasShards else { return .skipped("policies", looked, "there are no shard queues yet") }
        guard let policies = found.policies else {
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
