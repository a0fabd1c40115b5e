import LinuxSystem
package import Runtime

/// Writes verdict lines on its own thread, so a slow consumer never delays a tap.
///
/// When the buffer is full, the oldest lines are dropped. All scans are in the journal.
package final class VerdictPrinter: Sendable {
    /// Maximum number of buffered lines: the taps of some minutes.
    static let capacity = 1_024

    private let lines = Mailbox<String>(capacity: VerdictPrinter.capacity)
    private let log = Log("output")

    /// Creates a printer. `service` writes the lines.
    package init() {}

    /// Buffers a line. Does not wait.
    package func enqueue(_ line: String) { lines.push(line) }

    /// Writes until it is stopped, then the buffered lines as far as the pipe takes them.
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
                        if isWorking { self.log.error("verdict lines cannot be written", [.error: "\(error)"]) }
                        isWorking = false
                    }
                }
                if isLast { return }
                _ = Poll.wait([self.lines.descriptor, stop.descriptor], timeoutMs: -1)
            }
        }
    }
}
