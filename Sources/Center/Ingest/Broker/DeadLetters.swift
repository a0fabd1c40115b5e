package import AMQP
import Crypto
import LinuxSystem
import Runtime
import ScanBatchCodec

/// The messages in the queue `tapline.dead`.
///
/// They have no identifier, so the beginning of the SHA-256 of their content names them. Reading takes no message away:
/// a message that is not removed goes back to the queue when the connection ends.
package struct DeadLetters {
    /// Messages that one call reads without removing them. Further ones are left for the next call.
    package static let readLimit = 1_000
    /// Bytes of the name of a message; its text has twice as many digits.
    package static let nameBytes = 6
    /// Wait for the next message, in milliseconds. Another reader may hold the rest.
    private static let waitMs: Int64 = 10_000

    /// A message of the queue.
    package struct Letter: Sendable {
        /// Name of the message: the first 12 hexadecimal digits of the SHA-256 of its content.
        package let name: String
        /// Routing key as received; `scan.` and the scanner for a batch.
        package let routingKey: [UInt8]
        /// User that published it, verified by the broker; `nil` if the publisher named none.
        package let userID: String?
        /// Size of the content, in bytes.
        package let size: Int
        /// Content, or the beginning of a content over the limit.
        package let body: [UInt8]
        /// Why the broker moved the message; `nil` if a publisher sent it to the exchange of dead letters.
        package let death: AMQPDeath?

        init(_ delivery: AMQPDelivery) {
            routingKey = delivery.routingKey
            userID = delivery.userID
            size = delivery.whole?.size ?? delivery.body.count
            body = delivery.body
            death = delivery.death
            name = Hex.encode((delivery.whole?.sha256 ?? SHA256.hash(delivery.body)).prefix(DeadLetters.nameBytes))
        }

        /// Scanner of the routing key; `nil` if it names none.
        package var scanner: String? {
            routingKey.starts(with: ValidatedDelivery.routingPrefix)
                ? String(validating: routingKey.dropFirst(ValidatedDelivery.routingPrefix.count), as: UTF8.self) : nil
        }

        /// The message as a delivery whose transport time says nothing about the clock of the device; `nil` if only its
        /// beginning is known.
        package var delivery: IngestDelivery? {
            guard size == body.count else { return nil }
            return IngestDelivery(
                deadLetter: body, routingKey: routingKey, userID: userID,
                receivedMicros: SystemClock.nowMicroseconds())
        }
    }

    /// What to do with a message.
    package enum Disposal: Sendable { case keep, remove }

    /// Numbers of messages.
    package struct Outcome: Equatable, Sendable {
        /// Messages that were read.
        package var read = 0
        /// Messages that were removed from the queue.
        package var removed = 0
        /// Messages that are left in the queue without having been read.
        package var unread = 0
    }

    private let brokers: [AMQPAddress]

    /// - Parameter brokers: nodes of the broker, at least one.
    package init(brokers: [AMQPAddress]) { self.brokers = brokers }

    /// Reads the messages in the order of the queue. The thread needs a stack of `AMQPConnection.stackBytes`.
    ///
    /// A message is removed after `body` has returned `.remove`. After a crash between both it is still there.
    ///
    /// - Parameters:
    ///   - keptBytes: of a larger content only this much is read.
    ///   - removesUndecodable: whether a message that the AMQP library cannot decode is removed.
    ///   - body: judges a message.
    /// - Returns: numbers of messages.
    /// - Throws: `AMQPError`, `IngestError.consumerLost`, or the error of `body`.
    package func read(
        keptBytes: Int = ScanBatch.bodyLimitBytes, removesUndecodable: Bool = false,
        _ body: (Letter) throws -> Disposal
    ) throws -> Outcome {
        let connection = try connect(keptBytes)
        defer { connection.close() }
        connection.rejectsUndecodable = removesUndecodable
        let total: Int
        do { total = try connection.inspectQueue(Topology.dead).messages } catch {
            // No center has run with this broker yet.
            guard error.kind == .channelClosed(code: 404) else { throw error }
            return Outcome()
        }
        var outcome = Outcome(unread: total)
        guard total > 0 else { return outcome }
        try connection.qos(prefetch: UInt16(Self.readLimit))
        try connection.consume(Topology.dead, consumerTag: "dead-\(SystemClock.monotonicNanoseconds())")
        var deadlineMs = SystemClock.monotonicMs() + Self.waitMs
        while outcome.unread > 0, outcome.read - outcome.removed < Self.readLimit {
            for event in try connection.poll() {
                switch event {
                case .delivery(let delivery) where outcome.unread > 0:
                    outcome.read += 1
                    outcome.unread -= 1
                    if case .remove = try body(Letter(delivery)) {
                        try connection.ack(delivery.tag, multiple: false)
                        outcome.removed += 1
                    }
                    deadlineMs = SystemClock.monotonicMs() + Self.waitMs
                case .channelClosed(let code, let text), .connectionClosed(let code, let text):
                    throw IngestError.consumerLost("the broker ended the connection: \(code) \(text)")
                case .consumerCancelled: throw IngestError.consumerLost("\(Topology.dead) was deleted or has moved")
                default: break
                }
            }
            guard outcome.unread > 0, !connection.hasBufferedEvents else { continue }
            let leftMs = deadlineMs - SystemClock.monotonicMs()
            guard leftMs > 0 else { break }
            _ = Poll.wait([connection.descriptor], timeoutMs: Int(leftMs))
        }
        return outcome
    }

    private func connect(_ keptBytes: Int) throws(AMQPError) -> AMQPConnection {
        let limits = AMQPBodyLimits(wholeBytes: keptBytes, beginningBytes: keptBytes)
        var failure: AMQPError?
        for address in brokers {
            do {
                return try AMQPConnection(address, name: "tapline-center dead letters", bodyLimits: limits)
            } catch { failure = failure ?? error }
        }
        throw failure!
    }
}
