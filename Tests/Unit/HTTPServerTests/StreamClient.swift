import Glibc
import LinuxSystem
import TestSupport

/// A client of a stream whose frames are `data: NUMBER PADDING`. It reads only in `read`.
final class StreamClient {
    private let socket: ClientSocket
    var isOver: Bool { socket.isOver }
    /// Numbers of the frames that have arrived whole.
    private(set) var numbers: [Int] = []
    /// Status of the response; 0 before it has arrived.
    private(set) var status = 0
    private(set) var head = ""
    /// Whether the last chunk has arrived.
    private(set) var isComplete = false
    private var bytes: [UInt8] = []
    private var frame: [UInt8] = []

    /// Connects and sends a request.
    ///
    /// - Parameter receiveBytes: size of the receive buffer; `nil` for that of the system.
    init(_ port: UInt16, _ request: String = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n", receiveBytes: Int32? = nil) throws
    {
        socket = try ClientSocket(port, receiveBytes: receiveBytes)
        guard socket.send(request) else { throw SystemError("send") }
    }

    /// A frame of a size, in bytes.
    static func frame(_ number: Int, size: Int = 14_000) -> [UInt8] {
        let head = Array("data: \(number) ".utf8)
        return head + [UInt8](repeating: 120, count: max(0, size - head.count - 2)) + [10, 10]
    }

    /// Reads what has arrived.
    func read() {
        socket.read { bytes += $0 }
        if status == 0 { parseHead() }
        while status == 200, let piece = nextChunk() { take(piece) }
    }

    private func parseHead() {
        guard let line = bytes.firstIndex(of: 13) else { return }
        var end = line
        while !bytes[end...].starts(with: [13, 10, 13, 10]) {
            guard let next = bytes[(end + 1)...].firstIndex(of: 13) else { return }
            end = next
        }
        head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
        // "HTTP/1.1 200 OK"
        status = Int(String(decoding: bytes[9..<12], as: UTF8.self)) ?? 0
        bytes.removeSubrange(..<(end + 4))
    }

    /// Removes the first chunk (RFC 9112 section 7.1); `nil` if it has not arrived whole.
    private func nextChunk() -> ArraySlice<UInt8>? {
        guard let end = bytes.firstIndex(of: 13),
            let size = Int(String(decoding: bytes[..<end], as: UTF8.self), radix: 16), bytes.count >= end + 4 + size
        else { return nil }
        if size == 0 { isComplete = true }
        defer { bytes.removeSubrange(..<(end + 4 + size)) }
        return bytes[(end + 2)..<(end + 2 + size)]
    }

    /// A frame ends with its last chunk.
    private func take(_ piece: ArraySlice<UInt8>) {
        frame += piece
        guard frame.suffix(2) == [10, 10] else { return }
        let number = frame.dropFirst(6).prefix { $0 != 32 }
        numbers.append(Int(String(decoding: number, as: UTF8.self)) ?? -1)
        frame = []
    }
}
