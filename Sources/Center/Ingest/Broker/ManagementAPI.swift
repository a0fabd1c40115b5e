import AMQP
import Crypto
import LinuxSystem

/// Reads the policies of queues from the management API of RabbitMQ, if it is enabled and the center's user may.
///
/// The password is sent in the clear, as over the AMQP connection itself. A broker with TLS is therefore not asked.
struct ManagementAPI: Sendable {
    /// The default port of the plugin `rabbitmq_management`.
    static let defaultPort = 15_672
    private static let timeoutMs = 3_000
    private static let responseLimitBytes = 1 << 20

    private let broker: AMQPAddress
    private let port: Int

    /// - Returns: `nil` for a broker with TLS.
    init?(_ broker: AMQPAddress, port: Int) {
        guard !broker.usesTLS else { return nil }
        self.broker = broker
        self.port = port
    }

    /// Reads the policies of a queue.
    ///
    /// - Returns: `nil` if the API denies it, or sends something else.
    /// - Throws: `SystemError` if nothing responds.
    func policy(of queue: String) throws(SystemError) -> QueuePolicy? {
        let path = [broker.virtualHost, queue].map(Self.percentEncoded).joined(separator: "/")
        let credentials = Base64.encode("\(broker.user):\(broker.password)".utf8)
        let host = broker.host.contains(":") ? "[\(broker.host)]" : broker.host
        // HTTP/1.0, so that the response is neither chunked nor followed by another one.
        let request = """
            GET /api/queues/\(path) HTTP/1.0\r\nHost: \(host):\(port)\r\nAuthorization: Basic \(credentials)\r
            Accept: application/json\r\nConnection: close\r\n\r\n
            """
        let response = try TCPExchange.send(
            Array(request.utf8), host: broker.host, port: port, limitBytes: Self.responseLimitBytes,
            timeoutMs: Self.timeoutMs)
        guard let end = response.firstRange(of: Array("\r\n\r\n".utf8)),
            let status = String(validating: response.prefix(12), as: UTF8.self), status.hasPrefix("HTTP/1."),
            status.hasSuffix(" 200")
        else { return nil }
        return QueuePolicy(json: Array(response[end.upperBound...]))
    }

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            guard !(character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character)))
            else { return String(character) }
            return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
