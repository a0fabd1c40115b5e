import Glibc
import LinuxSystem
import TestSupport

/// A client of a stream whose frames are `data: NUMBER PADDING`. It reads only in `read`.
final class StreamClient {
    private let descriptor: Int32
    private(set) var isOver = false
    /// Numbers of the frames that have arrived whole.
    private(set) var numbers: [Int] = []
    /// Status of the response; 0 before it has arrived.
    private(set) var status = 0
    private(set) var head = ""
    /// Whether the last chunk has arrived.
    private(set) var isComplete = false
    private var bytes: [UInt8] = []
    private var frame: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 65_536)

    /// Connects and sends a request.
    ///
    /// - Parameter receiveBytes: size of the receive buffer; `nil` for that of the system.
    init(_ port: UInt16, _ request: String = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n", receiveBytes: Int32? = nil) throws
    {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if var size = receiveBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { [descriptor] in
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else { throw SystemError("connect") }
        let text = Array(request.utf8)
        guard send(descriptor, text, text.count, Int32(MSG_NOSIGNAL)) == text.count else { throw SystemError("send") }
    }

    deinit { close(descriptor) }

    /// A frame of a size, in bytes.
    static func frame(_ number: Int, size: Int = 14_000) -> [UInt8] {
        let head = Array("data: \(number) ".utf8)
        return head + [UInt8](repeating: 120, count: max(0, size - head.count - 2)) + [10, 10]
    }

    /// Reads what has arrived.
    func read() {
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else {
                isOver = isOver || count == 0 || errno != EAGAIN && errno != EINTR
                break
            }
            bytes += chunk[..<count]
        }
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
