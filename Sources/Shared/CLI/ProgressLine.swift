import Glibc
import LinuxSystem
import Runtime
import Synchronization

/// A line on the terminal at standard error that is written over a few times a second, to say how far something is. As the
/// log, it never waits for its reader.
package final class ProgressLine: Sendable {
    /// Between two updates, in milliseconds.
    static let pauseMs: Int64 = 250

    private let lastMs = Mutex<Int64>(0)
    private let output = NonBlockingWriter(descriptor: 2)

    /// Nil where standard error is no terminal: logs and pipes get no such line.
    package init?() { guard isatty(2) == 1 else { return nil } }

    /// Shows the text, unless another was shown just now.
    package func show(_ text: @autoclosure () -> String) {
        let nowMs = SystemClock.monotonicMs()
        let isDue = lastMs.withLock { last in
            guard nowMs - last >= ProgressLine.pauseMs else { return false }
            last = nowMs
            return true
        }
        if isDue { write(text()) }
    }

    /// Takes the line away, so that what is written next stands at the beginning of its own.
    package func clear() { write("") }

    private func write(_ text: String) { output.write("\r\(text)\u{1B}[K") { _ in "" } }
}
