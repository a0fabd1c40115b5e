import Synchronization

/// Source of endless responses that show one changing state, as server-sent events.
///
/// A stream sends the newest frame as a whole, and then waits for a newer one. A slow reader skips frames, so a stream
/// never has a queue. All methods are thread-safe, and none blocks.
package final class HTTPStreamHub: Sendable {
    /// Position of one stream.
    private struct Reading {
        var frame: [UInt8] = []
        /// Bytes of `frame` that were given to the server.
        var offset = 0
        /// Number of the frame that the stream began last.
        var number: Int
        var isEnded = false
        var suspended: SuspendedConnection?
    }

    private struct State {
        var frame: [UInt8] = []
        /// Number of frames published so far.
        var number = 0
        var skipped = 0
        var isClosed = false
        var nextID = 0
        var readings: [Int: Reading] = [:]
    }

    /// What a stream gives to the server.
    enum Piece: Equatable {
        case bytes(Int)
        /// Nothing: the connection is suspended.
        case suspended
        case end
    }

    private let state = Mutex(State())
    private let limit: Int

    /// Creates a hub without a frame.
    ///
    /// - Parameter limit: maximum number of streams. Further ones are answered with 503 and `Retry-After: 5`.
    package init(limit: Int = 1_000) { self.limit = limit }

    /// Replaces the frame, and wakes the streams that wait for one.
    ///
    /// - Parameter frame: a whole event, with the empty line that ends it.
    package func publish(_ frame: [UInt8]) {
        state.withLock { state in
            state.frame = frame
            state.number += 1
            HTTPStreamHub.wake(&state) { _ in true }
        }
    }

    /// Number of open streams.
    package var readers: Int { state.withLock { $0.readings.count } }

    /// Number of frames that a stream did not begin to send, summed over all streams.
    package var skipped: Int { state.withLock { $0.skipped } }

    /// Ends every stream. Further ones are answered with 503.
    package func close() {
        state.withLock { state in
            state.isClosed = true
            HTTPStreamHub.wake(&state) { _ in true }
        }
    }

    /// Registers a stream; `nil` at the limit and after `close`.
    func join() -> Int? {
        state.withLock { state in
            guard !state.isClosed, state.readings.count < limit else { return nil }
            state.nextID += 1
            // The newest frame is the first one of the stream.
            state.readings[state.nextID] = Reading(number: max(0, state.number - 1))
            return state.nextID
        }
    }

    /// Removes a stream. Call it before its connection is freed, and while it is not suspended.
    func leave(_ id: Int) { state.withLock { $0.readings[id] = nil } }

    /// Ends one stream.
    func end(_ id: Int) {
        state.withLock { state in
            state.readings[id]?.isEnded = true
            HTTPStreamHub.wake(&state) { $0 == id }
        }
    }

    /// Gives a stream its next bytes, or suspends its connection until there are some.
    func read(_ id: Int, into buffer: UnsafeMutableRawBufferPointer, suspending connection: OpaquePointer) -> Piece {
        state.withLock { state in
            guard var reading = state.readings.removeValue(forKey: id) else { return .end }
            defer { state.readings[id] = reading }
            guard !state.isClosed, !reading.isEnded else { return .end }
            if reading.offset == reading.frame.count {
                guard state.number > reading.number else {
                    // Under the lock, so that a new frame finds the connection suspended.
                    reading.suspended = SuspendedConnection(connection)
                    return .suspended
                }
                state.skipped += state.number - reading.number - 1
                (reading.frame, reading.offset, reading.number) = (state.frame, 0, state.number)
            }
            let count = min(buffer.count, reading.frame.count - reading.offset)
            reading.frame.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[reading.offset..<reading.offset + count]))
            }
            reading.offset += count
            return .bytes(count)
        }
    }

    /// Resumes suspended streams. Under the lock, so that their connections exist.
    private static func wake(_ state: inout State, where isMeant: (Int) -> Bool) {
        for (id, reading) in state.readings where isMeant(id) {
            guard let connection = reading.suspended else { continue }
            state.readings[id]?.suspended = nil
            connection.resume()
        }
    }
}
