import CMicrohttpd
import Glibc

/// One endless response. Each connection has its own, because libmicrohttpd cannot share one among suspended ones.
final class HTTPStream: Sendable {
    /// Size of the send buffer of the kernel, in bytes. Linux doubles it for its own data.
    private static let sendBufferBytes: Int32 = 32_768
    /// Maximum number of unsent bytes in the kernel. With the send buffer about three states of the wall are on the
    /// way. So a slow reader gets recent ones.
    private static let unsentBytes: Int32 = 16_384
    /// libmicrohttpd reads a stream for an HTTP/1.0 client in pieces of this size, in bytes.
    private static let blockBytes = 4_096

    // Sendable: only the thread of the daemon uses it, and only until the request is completed.
    private struct Pointer: @unchecked Sendable {
        let connection: OpaquePointer
    }

    private let hub: HTTPStreamHub
    private let id: Int
    private let pointer: Pointer
    private let permits: (@Sendable () -> Bool)?

    /// Joins a hub; `nil` if it accepts no stream.
    ///
    /// - Parameters:
    ///   - hub: source of the frames.
    ///   - connection: connection that receives them.
    ///   - permits: whether the client may still read; `nil` without a condition.
    init?(_ hub: HTTPStreamHub, _ connection: OpaquePointer, permits: (@Sendable () -> Bool)?) {
        guard let id = hub.join() else { return nil }
        self.hub = hub
        self.id = id
        self.permits = permits
        pointer = Pointer(connection: connection)
    }

    /// Ends the stream. The connection is closed after it.
    func end() { hub.end(id) }

    /// Removes the stream from its hub. Call it when the request is completed.
    func leave() { hub.leave(id) }

    /// Whether the client may still read.
    var isPermitted: Bool { permits?() ?? true }

    /// Returns a response of libmicrohttpd that reads this stream; `nil` without memory.
    func message() -> OpaquePointer? {
        let message = MHD_create_response_from_callback(
            .max, HTTPStream.blockBytes, HTTPStream.read, Unmanaged.passRetained(self).toOpaque(), HTTPStream.release)
        if message == nil { Unmanaged.passUnretained(self).release() }
        return message
    }

    /// Limits the bytes that wait in the kernel.
    static func limitBuffers(_ socket: Int32) {
        let size = socklen_t(MemoryLayout<Int32>.size)
        var (buffer, unsent) = (sendBufferBytes, unsentBytes)
        setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer, size)
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsent, size)
    }

    private static let read: MHD_ContentReaderCallback = { context, _, buffer, limit in
        guard let context, let buffer else { return -1 }
        let stream = Unmanaged<HTTPStream>.fromOpaque(context).takeUnretainedValue()
        let target = UnsafeMutableRawBufferPointer(start: buffer, count: limit)
        return switch stream.hub.read(stream.id, into: target, suspending: stream.pointer.connection) {
        case .bytes(let count): count
        case .suspended: 0
        case .end: -1  // MHD_CONTENT_READER_END_OF_STREAM
        }
    }

    private static let release: MHD_ContentReaderFreeCallback = { context in
        if let context { Unmanaged<HTTPStream>.fromOpaque(context).release() }
    }
}
