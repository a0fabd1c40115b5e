import AMQP
import FuzzDriver
import Glibc
import Runtime
import Synchronization
import TestSupport

/// A broker that answers with frames of the input: at the login, between the answers of calls, and to a consumer.
@main enum FuzzAMQP {
    /// The frames for the next client.
    private static let answer = Mutex<[UInt8]>([])
    /// Maximum time for an answer, in milliseconds. The broker closes its connection after its frames.
    private static let answerLimitMs = 2_000

    static func main() {
        guard let broker = try? LoopbackListener(),
            let url = try? AMQPAddress(url: "amqp://127.0.0.1:\(broker.port)")
        else { fatalError("no listener") }
        NamedThread("broker") { serve(broker.descriptor) }
        fuzz { bytes in play(bytes, to: url) }
    }

    private static func play(_ bytes: [UInt8], to url: AMQPAddress) {
        answer.withLock { $0 = AMQPAnswer(bytes).frames }
        try? converse(with: url)
    }

    /// Makes each call of a publisher and of a consumer, until the broker closes.
    private static func converse(with url: AMQPAddress) throws {
        let connection = try AMQPConnection(url, heartbeatS: 0, loginTimeoutMs: answerLimitMs, name: "fuzz")
        try connection.confirmSelect()
        try connection.qos(prefetch: 2)
        try connection.consume([("a", "a-1"), ("b", "b-1")])
        try connection.publish(
            exchange: "a", routingKey: "a", mandatory: true, properties: AMQPProperties(), body: [1, 2])
        while true { _ = try connection.poll() }
    }

    /// Sends the frames to one client after the other, and reads until it closes.
    private static func serve(_ broker: Int32) -> Never {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let client = accept(broker, nil, nil)
            guard client >= 0 else { fatalError("accept") }
            let frames = answer.withLock { $0 }
            _ = frames.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            shutdown(client, Int32(SHUT_WR))
            while recv(client, &chunk, chunk.count, 0) > 0 {}
            close(client)
        }
    }
}

/// The frames that an input stands for. Most inputs pass the login, so that the rest is reached.
struct AMQPAnswer {
    /// Methods as class and number: those that a client awaits, and those that come unasked.
    private static let methods: [(UInt16, UInt16)] = [
        (85, 11), (60, 11), (60, 21), (60, 60), (60, 50), (60, 80), (60, 120), (60, 30), (20, 40), (20, 41), (20, 20),
        (10, 50), (10, 51), (10, 60), (10, 61), (10, 70), (50, 11), (10, 20),
    ]
    private(set) var frames: [UInt8] = []

    init(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let isLoginFuzzed = input.byte() % 8 == 0
        if !isLoginFuzzed {
            append(1, 0, number(10, 10) + [0, 9] + word(0) + text("PLAIN") + text("en_US"))
            append(1, 0, number(10, 30) + [7, 255] + word(131_072) + [0, 0])
            append(1, 0, number(10, 41) + [0])
            append(1, 1, number(20, 11) + word(0))
        }
        while !input.isEmpty {
            let kind = input.byte()
            let channel: UInt8 = kind & 0x10 == 0 ? 1 : kind >> 5
            switch kind & 0x0f {
            case 0: frames += input.piece()
            case 1: append(input.byte(), channel, input.piece())
            case 2...4:
                let size: [UInt8] = [0, 0, 0, 0, 0, kind & 0xe0 == 0xe0 ? 255 : 0, 0, input.byte()]
                append(2, channel, [0, 60, 0, 0] + size + input.piece())
            case 5...7: append(3, channel, input.piece())
            default:
                let method = Self.methods[Int(input.byte()) % Self.methods.count]
                append(1, channel, number(method.0, method.1) + input.piece())
            }
        }
    }

    private mutating func append(_ type: UInt8, _ channel: UInt8, _ payload: [UInt8]) {
        frames += [type, 0, channel] + word(UInt32(payload.count)) + payload + [0xce]
    }

    private func number(_ group: UInt16, _ method: UInt16) -> [UInt8] {
        [UInt8(group >> 8), UInt8(group & 0xff), UInt8(method >> 8), UInt8(method & 0xff)]
    }

    private func word(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    private func text(_ text: String) -> [UInt8] { word(UInt32(text.utf8.count)) + Array(text.utf8) }
}
