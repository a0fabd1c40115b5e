import Glibc
import LinuxSystem
import Runtime
import Synchronization
import TextRules

/// A progress line on the terminal at standard error, overwritten a few times a second. Never blocks, like the log.
package final class ProgressLine: Sendable {
    /// Minimum interval between updates, in milliseconds.
    static let pauseMs: Int64 = 250

    private let lastMs = Mutex<Int64>(0)
    private let output = NonBlockingWriter(descriptor: 2)

    /// `nil` if standard error is not a terminal: files and pipes get no progress line.
    package init?() { guard isatty(2) == 1 else { return nil } }

    /// Shows a text, unless the last update was less than 250 ms ago.
    package func show(_ text: @autoclosure () -> String) {
        let nowMs = SystemClock.monotonicMs()
        let isDue = lastMs.withLock { last in
            guard nowMs - last >= ProgressLine.pauseMs else { return false }
            last = nowMs
            return true
        }
        if isDue { write(text().visibleInLine) }
    }

    /// Erases the line, so that the next output begins at the left margin.
    package func clear() { write("") }

    private func write(_ text: String) { output.write("\r\(text)\u{1B}[K") { _ in "" } }
}
