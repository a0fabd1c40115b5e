import Glibc
import LinuxSystem
import Synchronization

/// Whole lines to a descriptor that somebody reads, or does not: what a pipe or a terminal has no room for is dropped and
/// counted, and no thread ever waits. (A file on a disk takes what it is given.)
package final class NonBlockingWriter: Sendable {
    private struct State {
        var dropped = 0
        /// A line was begun and its rest dropped.
        var isTorn = false
    }

    private let descriptor: Int32
    // Held while a line is written, so that lines of several threads never mix, nor take each other's room.
    private let state = Mutex(State())

    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// - Parameter report: the line that says how many were lost; written before the first that there is room for again.
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
            // A pipe that poll(2) calls writable has room for so much.
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
