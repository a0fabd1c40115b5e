import CCurl
import Glibc

/// What one request takes in: headers of the last response, and the body, into memory or a file.
final class Transfer {
    enum Sink {
        case memory
        /// The path, and the bytes that are there already.
        case file(String, have: Int)
    }

    private(set) var body: [UInt8] = []
    private(set) var headers: [String: String] = [:]
    /// Bytes in the file that the response continues or starts; nil until the response shows it.
    private(set) var total: Int?
    var onStart: (String?) -> Void = { _ in }
    var failure: (kind: HTTPClientError.Kind, detail: String)?

    private let handle: UnsafeMutableRawPointer
    private let sink: Sink
    private let limitBytes: Int
    private let isStopped: () -> Bool
    private var descriptor: Int32 = -1

    init(_ handle: UnsafeMutableRawPointer, _ sink: Sink, limitBytes: Int, isStopped: @escaping () -> Bool) {
        (self.handle, self.sink, self.limitBytes, self.isStopped) = (handle, sink, limitBytes, isStopped)
    }

    deinit { closeFile() }

    var status: Int { Int(shim_response_code(handle)) }

    func closeFile() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// Opens the file also for an empty body; to be called when a good response has ended.
    func finish() -> Bool {
        guard case .file = sink, status == 200 || status == 206 else { return true }
        return descriptor >= 0 || openFile()
    }

    func header(_ line: UnsafeRawBufferPointer) {
        let text = String(decoding: line, as: UTF8.self)
        // After a redirect the headers begin anew.
        if text.hasPrefix("HTTP/") {
            headers = [:]
            return
        }
        guard headers.count < 100, let colon = text.firstIndex(of: ":") else { return }
        let value = text[text.index(after: colon)...].drop(while: \.isWhitespace)
        headers[text[..<colon].lowercased()] = String(value.reversed().drop(while: \.isWhitespace).reversed())
    }

    /// False ends the transfer.
    func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // The page that comes with an error is of no interest.
        guard status == 200 || status == 206 else { return true }
        switch sink {
        case .memory:
            guard body.count + bytes.count <= limitBytes else { return tooLarge() }
            body.append(contentsOf: bytes)
            return true
        case .file(let path, _):
            guard descriptor >= 0 || openFile() else { return false }
            guard (total ?? 0) + bytes.count <= limitBytes else { return tooLarge() }
            var rest = bytes
            while !rest.isEmpty {
                let count = write(descriptor, rest.baseAddress!, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    failure = (.file, "write \(path): \(String(cString: strerror(errno)))")
                    return false
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                total = (total ?? 0) + count
            }
            return true
        }
    }

    /// False ends the transfer.
    func mayGoOn() -> Bool {
        guard isStopped() else { return true }
        failure = (.stopped, "stopped")
        return false
    }

    private func tooLarge() -> Bool {
        failure = (.tooLarge, "more than \(limitBytes) bytes")
        return false
    }

    private func openFile() -> Bool {
        guard case .file(let path, let have) = sink else { return false }
        let isRest = status == 206
        guard !isRest || headers["content-range"]?.hasPrefix("bytes \(have)-") == true else {
            failure = (.unreachable, "the server sent another range than was asked for")
            return false
        }
        let start = isRest ? have : 0
        // One that says so is not taken up to the limit first.
        if let length = headers["content-length"].flatMap({ Int($0) }), length > limitBytes - start {
            return tooLarge()
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0, ftruncate(descriptor, start) == 0, lseek(descriptor, start, SEEK_SET) == start else {
            failure = (.file, "open \(path): \(String(cString: strerror(errno)))")
            return false
        }
        // After the old bytes are gone: a crash in between never leaves them under the new name.
        if !isRest { onStart(validator) }
        total = start
        return true
    }

    var etag: String? { sendable("etag") }

    /// The header's value if it can be sent back: a server that puts control characters into it must not keep us from asking.
    private func sendable(_ name: String) -> String? {
        headers[name].flatMap { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && !$0.isEmpty ? $0 : nil }
    }

    /// What names the bytes of this response in If-Range, which takes strong validators only (RFC 9110 section 13.1.5).
    private var validator: String? {
        if let tag = etag, !tag.hasPrefix("W/") { return tag }
        // A date is strong if the file was not changed in the very second of the answer.
        guard let modified = sendable("last-modified"), modified != headers["date"], headers["date"] != nil else {
            return nil
        }
        return modified
    }
}
