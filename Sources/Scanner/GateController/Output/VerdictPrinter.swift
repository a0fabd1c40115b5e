import LinuxSystem
package import Runtime

/// Prints the lane's lines on a thread of its own, so that no tap waits for one who reads them slowly, or not at all. Who does
/// not read loses the oldest lines that he has not read; the journal has them all.
package final class VerdictPrinter: Sendable {
    /// Lines that wait for their reader at the most: those of some minutes.
    static let capacity = 1_024

    private let lines = Mailbox<String>(capacity: VerdictPrinter.capacity)
    private let log = Log("output")

    package init() {}

    /// From the lane, which does not wait.
    package func take(_ line: String) { lines.push(line) }

    /// Prints until it is stopped, and then what is left, as far as there is room for it.
    package func service() -> Service {
        .thread("output") { stop in
            var isWorking = true
            while true {
                let isLast = stop.isStopped
                for line in self.lines.drain() {
                    do {
                        guard try StandardOutput.writeLine(line, until: stop) else { return }
                        isWorking = true
                    } catch {
                        if isWorking { self.log.error("verdicts cannot be printed", [.error: "\(error)"]) }
                        isWorking = false
                    }
                }
                if isLast { return }
                _ = Poll.wait([self.lines.descriptor, stop.descriptor], timeoutMs: -1)
            }
        }
    }
}
