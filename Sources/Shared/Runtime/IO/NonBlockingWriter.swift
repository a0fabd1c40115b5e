import Glibc
import LinuxSystem
import Synchronization

/// Non-blocking line writer. Lines that do not fit the pipe or terminal are dropped and counted. Writes to a disk file
/// may block.
package final class NonBlockingWriter: Sendable {
    private struct State {
        var dropped = 0
        /// The rest of a partially written line was dropped.
        var isTorn = false
    }

    private let descriptor: Int32
    // Held while a line is written, so that lines of several threads are not mixed.
    private let state = Mutex(State())

    /// Creates a writer.
    ///
    /// - Parameter descriptor: an open descriptor, which the writer does not close and whose mode it does not change.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes a line, or drops it.
    ///
    /// - Parameters:
    ///   - line: the line with its newline.
    ///   - report: returns a line that reports the number of dropped lines; written before the next line that fits.
    package func write(_ line: String, _ report: (Int) -> String) {
        state.withLock { state in
            var text = state.isTorn ? "\n" : ""
            if state.dropped > 0 { text += report(state.dropped) }
            text += line
            switch put(Array(text.utf8)[...]) {
            case .whole: state = State()
            case .nothing: state.dropped += 1
            case .part:
                state.dropped += 1
                state.isTorn = true
            }
        }
    }

    private enum Outcome { case whole, part, nothing }

    private func put(_ bytes: ArraySlice<UInt8>) -> Outcome {
        var rest = bytes
        while !rest.isEmpty {
            guard Poll.isWritable(descriptor) else { return rest.count == bytes.count ? .nothing : .part }
            // A pipe that poll(2) reports as writable has room for PIPE_BUF bytes.
            let piece = rest.prefix(Int(PIPE_BUF))
            let count = piece.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return rest.count == bytes.count ? .nothing : .part
            }
            rest = rest.dropFirst(count)
        }
        return .whole
    }
}
