import AMQP
import LinuxSystem
import TestSupport
import Testing

/// The broker that the tests share, and what they need to watch one connection.
enum Broker {
    static func address() throws -> AMQPAddress { try AMQPAddress(url: try TestServers.amqpURL()) }

    static func connect(heartbeatS: Int = 10) throws -> AMQPConnection {
        try AMQPConnection(try address(), heartbeatS: heartbeatS, name: "test")
    }

    /// A name that no other test has.
    static func unique(_ prefix: String) -> String { "test.\(prefix).\(UInt64.random(in: 0 ... .max))" }
}

extension AMQPConnection {
    /// Collects events until `isEnough`, at most ten seconds.
    func events(until isEnough: ([AMQPEvent]) -> Bool) throws -> [AMQPEvent] {
        var all: [AMQPEvent] = []
        let deadline = SystemClock.monotonicMs() + 10_000
        while true {
            all += try poll()
            if isEnough(all) { return all }
            guard SystemClock.monotonicMs() < deadline else {
                throw TestFailure("the events did not come within 10 s; these did: \(all)")
            }
            _ = Poll.wait([descriptor], timeoutMs: 100)
        }
    }
}
