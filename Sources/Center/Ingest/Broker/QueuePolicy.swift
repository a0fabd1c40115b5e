import FoundationEssentials

/// The policies of a queue, as the management API of RabbitMQ describes them. Pure.
///
/// Source: `GET /api/queues/VHOST/NAME` of https://www.rabbitmq.com/docs/management#http-api. The names of the limits are
/// those of https://www.rabbitmq.com/docs/parameters#policies.
struct QueuePolicy: Decodable, Equatable, Sendable {
    /// A value of a policy.
    enum Value: Decodable, Equatable, Sendable, CustomStringConvertible {
        case number(Int64)
        case text(String)
        case other

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int64.self) {
                self = .number(number)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else {
                self = .other
            }
        }

        /// Whether it is a number of at least `minimum`.
        func isReached(_ minimum: Int64) -> Bool {
            if case .number(let number) = self { number >= minimum } else { false }
        }

        var description: String {
            switch self {
            case .number(let number): "\(number)"
            case .text(let text): text
            case .other: "?"
            }
        }
    }

    private enum CodingKeys: String, CodingKey {
        case policy
        case operatorPolicy = "operator_policy"
        case effective = "effective_policy_definition"
    }

    /// Names of the policies that apply.
    let names: [String]
    /// The merged definition of both; empty without a policy.
    let effective: [String: Value]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        names = [CodingKeys.policy, .operatorPolicy].compactMap { key in
            (try? container.decodeIfPresent(String.self, forKey: key)).flatMap { $0 }
        }
        // Without a policy some versions send an empty array.
        effective = (try? container.decode([String: Value].self, forKey: .effective)) ?? [:]
    }

    /// Parses the response of the management API; `nil` if it is not the description of a queue.
    init?(json: [UInt8]) {
        guard let policy = try? JSONDecoder().decode(QueuePolicy.self, from: Data(json)) else { return nil }
        self = policy
    }

    /// Returns what the policies do to confirmed messages, one sentence for each dangerous limit.
    func warnings(queue: String) -> [BrokerWarning] {
        var texts: [String] = []
        if let limit = effective["message-ttl"] {
            texts.append("message-ttl \(limit) ms removes scans that wait longer")
        }
        if let limit = effective["expires"] {
            texts.append("expires \(limit) ms deletes the queue with its scans when no center runs for that time")
        }
        // The policy's value has precedence over the argument of the queue.
        if let overflow = effective["overflow"], overflow != .text("reject-publish") {
            texts.append("overflow \(overflow) removes the oldest scans when the queue is full")
        }
        if let limit = effective["delivery-limit"], !limit.isReached(Topology.deliveryLimit) {
            texts.append("delivery-limit \(limit) removes scans that were delivered more often")
        }
        let name = names.isEmpty ? "a policy" : "policy " + names.joined(separator: " and ")
        return texts.map { BrokerWarning(queue: queue, text: "\(name): \($0)") }
    }
}
