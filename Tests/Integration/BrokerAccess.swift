import AMQP
import LinuxSystem
import TestSupport
import Testing

/// The broker that the tests share.
enum Broker {
    static func address() throws -> AMQPAddress { try AMQPAddress(url: try TestServers.amqpURL()) }

    static func connect(heartbeatS: Int = 10) throws -> AMQPConnection {
        try AMQPConnection(try address(), heartbeatS: heartbeatS, name: "test")
    }

    /// Returns a unique name.
    static func unique(_ prefix: String) -> String { "test.\(prefix).\(UInt64.random(in: 0 ... .max))" }
}

extension AMQPConnection {
    /// Collects events until `isEnough`, for at most `waitLimitMs`.
    func events(until isEnough: ([AMQPEvent]) -> Bool) throws -> [AMQPEvent] {
        var all: [AMQPEvent] = []
        let deadline = SystemClock.monotonicMs() + Int64(waitLimitMs)
        while true {
            all += try poll()
            if isEnough(all) { return all }
            guard SystemClock.monotonicMs() < deadline else {
                throw TestFailure("the expected events did not arrive within \(waitLimitMs) ms, only \(all)")
            }
            _ = Poll.wait([descriptor], timeoutMs: 100)
        }
    }
}
