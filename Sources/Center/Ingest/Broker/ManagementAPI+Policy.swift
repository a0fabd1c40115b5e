import AMQP
import BrokerAPI

/// The policies of queues, if the management API is enabled and the center's user may read them.
extension ManagementAPI {
    /// The default port of the plugin `rabbitmq_management`.
    static let defaultPort = 15_672
    private static let policyTimeoutMs = 3_000
    private static let policyLimitBytes = 1 << 20

    /// Creates a client with the credentials of an AMQP connection.
    ///
    /// The password is sent in the clear, as over the AMQP connection itself. A broker with TLS is therefore not asked.
    ///
    /// - Returns: `nil` for a broker with TLS.
    convenience init?(_ broker: AMQPAddress, port: Int) {
        guard !broker.usesTLS else { return nil }
        let host = broker.host.contains(":") ? "[\(broker.host)]" : broker.host
        self.init(
            url: "http://\(host):\(port)", user: broker.user, password: broker.password,
            timeoutMs: Self.policyTimeoutMs, responseLimitBytes: Self.policyLimitBytes)
    }

    /// Reads the policies of a queue.
    ///
    /// - Returns: `nil` if the API denies it, or sends something else.
    /// - Throws: `HTTPClientError` without a response.
    func policy(of queue: String, virtualHost: String) throws -> QueuePolicy? {
        let response = try get(["queues", virtualHost, queue])
        return response.status == 200 ? QueuePolicy(json: response.body) : nil
    }
}
