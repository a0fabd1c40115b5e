import AMQP
import Crypto
import FileSystem
import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

/// Tests that a broker that lies costs a client neither its life nor its memory.
struct AMQPPeerTests {
    private static func connect(_ broker: ScriptedBroker, interrupt: Int32 = -1) throws -> AMQPConnection {
        try AMQPConnection(try AMQPAddress(url: broker.url), name: "test", interrupt: interrupt)
    }

    /// Runs a body with the stack that the programs use.
    private func onOwnThread(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await NamedThread.run("test-amqp", stackBytes: AMQPConnection.stackBytes) { try body() }
    }

    @Test(arguments: ["A", "F"] as [Character], [20_000 * 5, 131_000])
    func deepestTableOfAFrameIsDecoded(kind: Character, bytes: Int) async throws {
        try await onOwnThread {
            let broker = try ScriptedBroker { peer in
                _ = try peer.awaitMethod(ScriptedBroker.Number.confirmSelect)
                try peer.send(method: 0x0055_000b, [])
                try peer.send(WireMessage.returned(headers: WireMessage.nested(kind, bytes: bytes), body: [1]))
                try peer.send(method: 0x003c_0050, be64(1) + [0])
                // Until the client ends.
                while (try? peer.frame()) != nil {}
            }
            let connection = try Self.connect(broker)
            try connection.confirmSelect()
            let events = try connection.events { $0.confirmedUpTo == 1 }
            guard case .returned(let back)? = events.first else { throw TestFailure("\(events)") }
            #expect(back.replyCode == 312)
            connection.close(timeoutMs: 1)
        }
    }

    @Test func frameSizeIsNeverLargerThanMeasured() throws {
        let broker = try ScriptedBroker(frameMax: 1 << 20) { peer in
            try peer.send(frameBytes(ScriptedPeer.body, 1, [UInt8](repeating: 0, count: 200_000)))
            while (try? peer.frame()) != nil {}
        }
        let connection = try Self.connect(broker)
        #expect(broker.agreedFrameMax == 131_072)
        let error = try #require(throws: AMQPError.self) { _ = try connection.events { _ in false } }
        #expect(error.kind == .connectionLost)
    }

    @Test func tooSmallFrameSizeIsRefused() throws {
        let broker = try ScriptedBroker(frameMax: 1_024) { _ in }
        let error = try #require(throws: AMQPError.self) { _ = try Self.connect(broker) }
        #expect(error.kind == .unreachable && error.detail.contains("4096"))
    }

    @Test func deliveryWithoutAConsumerEndsTheConnection() throws {
        let broker = try ScriptedBroker { peer in peer.flood(WireMessage.delivery(tag: 1, body: [1])) }
        let error = try #require(throws: AMQPError.self) { _ = try Self.connect(broker).events { _ in false } }
        #expect(error.detail.contains("without a consumer"))
        try broker.end()
    }

    @Test func frameOfAnUnopenedChannelEndsTheConnection() throws {
        let broker = try ScriptedBroker { peer in
            for channel: UInt16 in 2...100 { try peer.send(method: 0x003c_0050, channel: channel, be64(1) + [0]) }
            while (try? peer.frame()) != nil {}
        }
        let error = try #require(throws: AMQPError.self) { _ = try Self.connect(broker).events { _ in false } }
        #expect(error.detail.contains("never opened"))
    }

    @Test func floodOfConfirmsDuringACallIsCut() throws {
        let broker = try ScriptedBroker { peer in peer.flood(frameBytes(1, 1, be32(0x003c_0050) + be64(1) + [0])) }
        let connection = try Self.connect(broker)
        let error = try #require(throws: AMQPError.self) { try connection.confirmSelect() }
        #expect(error.detail.contains("more than was asked for"))
        #expect(!connection.isOpen)
    }

    @Test func floodOfConfirmsLeavesThePoll() throws {
        let broker = try ScriptedBroker { peer in peer.flood(frameBytes(1, 1, be32(0x003c_0050) + be64(1) + [0])) }
        let connection = try Self.connect(broker)
        for _ in 0..<20 {
            #expect(try connection.poll().count <= 8_192)
            _ = Poll.wait([connection.descriptor], timeoutMs: 100)
        }
        // The answer to the close never comes.
        let startMs = SystemClock.monotonicMs()
        connection.close(timeoutMs: 200)
        #expect(SystemClock.monotonicMs() - startMs < 10_000)
    }

    /// 300 MiB of returned content come before the answer.
    @Test func returnedContentIsNotKept() throws {
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.confirmSelect)
            let message = WireMessage.returned(body: [UInt8](repeating: 7, count: 1 << 20))
            for _ in 0..<300 { try peer.send(message) }
            try peer.send(method: 0x0055_000b, [])
            while (try? peer.frame()) != nil {}
        }
        let connection = try Self.connect(broker)
        let before = try Self.residentBytes()
        try connection.confirmSelect()
        let grown = try Self.residentBytes() - before
        #expect(grown < 100 << 20, "\(grown >> 20) MiB more")
        #expect(try connection.poll().count == 300)
        #expect(!connection.hasBufferedEvents)
    }

    /// Deliveries before the answer to their subscription count against the prefetch.
    @Test func deliveriesBeyondThePrefetchEndTheConnection() throws {
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.qos)
            try peer.send(method: 0x003c_000b, [])
            _ = try peer.awaitMethod(ScriptedBroker.Number.consume)
            for tag: UInt64 in 1...3 { try peer.send(WireMessage.delivery(tag: tag, body: [1])) }
            while (try? peer.frame()) != nil {}
        }
        let connection = try Self.connect(broker)
        try connection.qos(prefetch: 2)
        let error = try #require(throws: AMQPError.self) { try connection.consume("q", consumerTag: "consumer") }
        #expect(error.detail.contains("more than was asked for"))
    }

    /// The prefetch permits more than the memory for it. What does not fit returns to its queue.
    @Test func deliveriesOverTheByteLimitReturnToTheirQueue() throws {
        let (kept, sent): (UInt64, UInt64) = (64, 70)
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.consume)
            try peer.send(method: 0x003c_0015, short("consumer"))
            _ = try peer.awaitMethod(ScriptedBroker.Number.qos)
            let body = [UInt8](repeating: 1, count: 1 << 20)
            for tag in 1...sent { try peer.send(WireMessage.delivery(tag: tag, body: body)) }
            try peer.send(method: 0x003c_000b, [])
            for tag in kept + 1...sent {
                let fields = try peer.awaitMethod(ScriptedBroker.Number.reject)
                guard fields == be64(tag) + [1] else { throw TestFailure("rejected: \(fields)") }
            }
        }
        let connection = try Self.connect(broker)
        try connection.consume("q", consumerTag: "consumer")
        try connection.qos(prefetch: 1)
        #expect(try connection.poll().deliveries.map(\.tag) == Array(1...kept))
        connection.close(timeoutMs: 1)
        try broker.end()
    }

    /// Deliveries before the answers of two cancels are kept; a later one was not asked for.
    @Test func cancelEndsThePermissionToDeliver() throws {
        let broker = try ScriptedBroker { peer in
            try peer.answerQos()
            for tag in ["consumer", "other"] {
                _ = try peer.awaitMethod(ScriptedBroker.Number.consume)
                try peer.send(method: 0x003c_0015, short(tag))
            }
            for (tag, first) in [("consumer", 1), ("other", 3)] as [(String, UInt64)] {
                _ = try peer.awaitMethod(ScriptedBroker.Number.cancel)
                for tag in first...first + 1 { try peer.send(WireMessage.delivery(tag: tag, body: [1])) }
                try peer.send(method: 0x003c_001f, short(tag))
            }
            try peer.answerQos(after: WireMessage.delivery(tag: 5, body: [1]))
            while (try? peer.frame()) != nil {}
        }
        let connection = try Self.connect(broker)
        try connection.qos(prefetch: 2)
        for tag in ["consumer", "other"] { try connection.consume(tag, consumerTag: tag) }
        for tag in ["consumer", "other"] { try connection.cancel(consumerTag: tag) }
        #expect(try connection.poll().deliveries.map(\.tag) == [1, 2, 3, 4])
        let error = try #require(throws: AMQPError.self) { try connection.qos(prefetch: 2) }
        #expect(error.detail.contains("without a consumer"))
    }

    @Test func largeBodyIsHashedAndNotKept() throws {
        let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Self.consuming([WireMessage.delivery(tag: 1, body: body), WireMessage.delivery(tag: 2, body: [5])]) {
            let deliveries = try $0.events { $0.deliveries.count == 2 }.deliveries
            // The difference of large arrays takes minutes.
            try #require(deliveries[0].body.count == 65_536)
            #expect(deliveries[0].body == Array(body[..<65_536]))
            #expect(deliveries[0].whole?.size == body.count)
            #expect(deliveries[0].whole?.sha256 == SHA256.hash(body))
            #expect(deliveries[1].body == [5] && deliveries[1].whole == nil)
        }
    }

    /// The header of a message that the broker delivers for the first time is the publisher's.
    @Test func deliveryCountIsBelievedOnlyOfARedelivery() throws {
        let count = short("x-delivery-count") + Array("l".utf8)
        try Self.consuming([
            WireMessage.delivery(tag: 1, headers: count + be64(1_000)),
            WireMessage.delivery(tag: 2, redelivered: true, headers: count + be64(3)),
            WireMessage.delivery(tag: 3, redelivered: true, headers: count + be64(.max)),
        ]) {
            let deliveries = try $0.events { $0.deliveries.count == 3 }.deliveries
            #expect(deliveries.map(\.deliveryCount) == [0, 3, 0])
        }
    }

    /// A delivery that the library cannot decode would be delivered again after each reconnect.
    @Test func undecodableDeliveryIsRejected() throws {
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.consume)
            try peer.send(method: 0x003c_0015, short("consumer"))
            // A value of an unknown kind.
            try peer.send(WireMessage.delivery(tag: 9, headers: short("x") + Array("?".utf8), body: [1]))
            let fields = try peer.awaitMethod(ScriptedBroker.Number.reject)
            guard fields == be64(9) + [0] else { throw TestFailure("rejected: \(fields)") }
        }
        let connection = try Self.connect(broker)
        try connection.consume("q", consumerTag: "consumer")
        let error = try #require(throws: AMQPError.self) { _ = try connection.events { _ in false } }
        #expect(error.detail.contains("cannot be decoded"))
        try broker.end()
    }

    @Test func stopEndsACallThatIsNeverAnswered() throws {
        let broker = try ScriptedBroker { peer in while (try? peer.frame()) != nil {} }
        let stop = StopSignal()
        let connection = try Self.connect(broker, interrupt: stop.descriptor)
        stop.stop()
        let startMs = SystemClock.monotonicMs()
        let error = try #require(throws: AMQPError.self) { try connection.confirmSelect() }
        #expect(error.kind == .interrupted)
        #expect(SystemClock.monotonicMs() - startMs < 5_000)
    }

    @Test func threadWithASmallStackMayNotConnect() async {
        await #expect(processExitsWith: .failure) {
            try await NamedThread.run("small", stackBytes: 1 << 20) {
                _ = try AMQPConnection(AMQPAddress(url: "amqp://127.0.0.1:1"), name: "test")
            }
        }
    }

    /// Runs a body with a connection that has one consumer, and frames that wait for it.
    private static func consuming(_ frames: [[UInt8]], _ body: (AMQPConnection) throws -> Void) throws {
        let broker = try ScriptedBroker { peer in
            _ = try peer.awaitMethod(ScriptedBroker.Number.consume)
            try peer.send(method: 0x003c_0015, short("consumer"))
            for frame in frames { try peer.send(frame) }
            while (try? peer.frame()) != nil {}
        }
        let connection = try connect(broker)
        try connection.consume("q", consumerTag: "consumer")
        try body(connection)
        connection.close(timeoutMs: 1)
    }

    /// Memory of this process, in bytes.
    private static func residentBytes() throws -> Int {
        let words = try Files.readText("/proc/self/statm").split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else { throw TestFailure("statm has another form: \(words)") }
        return pages * Int(getpagesize())
    }
}
