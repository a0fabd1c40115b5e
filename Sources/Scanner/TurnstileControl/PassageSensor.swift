package import GateController
import LinuxSystem
package import Runtime
import SerialPorts

/// Counts people from what a sensor says: a line each, or a burst of bytes without line ends. A pure value.
struct PassageCounter: Sendable {
    private var hasLine = false
    private var lastMs: Int64?

    /// Bytes that come within this time of each other, without a line end, are one passage.
    static let quietMs: Int64 = 150

    /// How many passages ended with these bytes.
    mutating func bytes(_ bytes: [UInt8], nowMs: Int64) -> Int {
        var count = quiet(nowMs: nowMs)
        for byte in bytes {
            if byte == 10 || byte == 13 {
                if hasLine { count += 1 }
                hasLine = false
            } else {
                hasLine = true
            }
        }
        lastMs = nowMs
        return count
    }

    /// 1 when a burst has ended by silence.
    mutating func quiet(nowMs: Int64) -> Int {
        guard hasLine, let lastMs, nowMs - lastMs >= PassageCounter.quietMs else { return 0 }
        hasLine = false
        return 1
    }

    /// When silence would end a burst; nil: none is open.
    var nextMs: Int64? { hasLine ? lastMs.map { $0 + PassageCounter.quietMs } : nil }
}

/// The sensor behind the turnstile, on a serial port: each line, or burst of bytes, is one person who passed.
package final class PassageSensor: Sendable {
    private let path: String
    private let baud: Int
    private let report: @Sendable (LaneEvent) -> Void
    private let log = Log("sensor")

    /// - Parameter report: takes `.passage` and `.sensor(problem:)`, on the sensor's thread; posts to the lane's mailbox.
    package init(path: String, baud: Int = 9_600, report: @escaping @Sendable (LaneEvent) -> Void) {
        (self.path, self.baud, self.report) = (path, baud, report)
    }

    package func service() -> Service { Service.thread("sensor") { stop in self.run(until: stop) } }

    private func run(until stop: StopSignal) {
        var backoff = Backoff(baseMs: 200, capMs: 3_000)
        var problem: String??
        while !stop.isStopped {
            do {
                let port = try SerialPort(path, baud: baud)
                if problem != .some(nil) {
                    problem = .some(nil)
                    report(.sensor(problem: nil))
                }
                backoff.reset()
                try listen(port, until: stop)
                return
            } catch {
                if problem != .some("\(error)") {
                    problem = .some("\(error)")
                    report(.sensor(problem: "\(error)"))
                    log.error("no passage sensor", [.path: path, .error: "\(error)"])
                }
                if stop.wait(ms: max(50, backoff.nextDelayMs())) { return }
            }
        }
    }

    private func listen(_ port: SerialPort, until stop: StopSignal) throws {
        // What stood in the port from before says nothing about now.
        _ = try port.read(timeoutMs: 0)
        var counter = PassageCounter()
        while !stop.isStopped {
            let wait = counter.nextMs.map { max(0, $0 - SystemClock.monotonicMs()) } ?? -1
            let ready = Poll.wait([port.descriptor, stop.descriptor], timeoutMs: Int(wait))
            let bytes = ready[0] ? try port.read(timeoutMs: 0) : []
            let now = SystemClock.monotonicMs()
            let count = bytes.isEmpty ? counter.quiet(nowMs: now) : counter.bytes(bytes, nowMs: now)
            for _ in 0..<count { report(.passage) }
        }
    }
}
