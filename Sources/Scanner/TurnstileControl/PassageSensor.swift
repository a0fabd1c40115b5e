package import GateController
import LinuxSystem
package import Runtime
import SerialPorts

/// Counts the passages in the bytes of a sensor: one per line, or per burst of bytes without line ends. A pure value.
struct PassageCounter: Sendable {
    private var hasLine = false
    private var lastMs: Int64?

    /// Silence that ends a burst of bytes without a line end, in milliseconds.
    static let quietMs: Int64 = 150

    /// Returns the number of passages that ended with these bytes.
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

    /// Returns 1 if silence has ended a burst, otherwise 0.
    mutating func quiet(nowMs: Int64) -> Int {
        guard hasLine, let lastMs, nowMs - lastMs >= PassageCounter.quietMs else { return 0 }
        hasLine = false
        return 1
    }

    /// When silence would end the open burst; `nil` without one.
    var nextMs: Int64? { hasLine ? lastMs.map { $0 + PassageCounter.quietMs } : nil }
}

/// The sensor behind the turnstile, on a serial port. Each line, or burst of bytes, is one passage.
package final class PassageSensor: Sendable {
    private let path: String
    private let baud: Int
    private let report: @Sendable (LaneEvent) -> Void
    private let log = Log("sensor")

    /// - Parameters:
    ///   - path: the serial port.
    ///   - baud: its speed.
    ///   - report: receives `.passage` and `.sensor(problem:)` on the sensor's thread; must not wait.
    package init(path: String, baud: Int = 9_600, report: @escaping @Sendable (LaneEvent) -> Void) {
        self.path = path
        self.baud = baud
        self.report = report
    }

    /// The reading loop, as a service of the daemon.
    package func service() -> Service { Service.thread("sensor") { stop in self.run(until: stop) } }

    private func run(until stop: StopSignal) {
        var backoff = Backoff(baseMs: 200, capMs: 3_000)
        var reported: PassageSensorProblem??
        while !stop.isStopped {
            do {
                let port = try SerialPort(path, baud: baud)
                if reported != .some(nil) {
                    reported = .some(nil)
                    report(.sensor(problem: nil))
                }
                backoff.reset()
                try listen(port, until: stop)
                return
            } catch {
                let problem = PassageSensorProblem(error)
                if reported != .some(problem) {
                    reported = .some(problem)
                    report(.sensor(problem: problem))
                    log.error("passage sensor cannot be read", [.path: path, .error: "\(error)"])
                }
                if stop.wait(ms: max(50, backoff.nextDelayMs())) { return }
            }
        }
    }

    private func listen(_ port: SerialPort, until stop: StopSignal) throws {
        // Discard passages from before.
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
