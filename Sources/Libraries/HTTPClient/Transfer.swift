import CCurl
import Glibc
import LinuxSystem

/// Receives the response to one request: the headers of the last response, and the body, in memory or in a file.
final class Transfer {
    enum Sink {
        case memory
        /// The path, and the number of bytes that the file already has.
        case file(String, have: Int)
    }

    /// Maximum size of all headers of a request's responses, in bytes.
    static let headersLimitBytes = 256 << 10
    /// Maximum size of the body of a redirect, which is read and ignored, in bytes.
    static let redirectLimitBytes = 64 << 10

    private(set) var body: [UInt8] = []
    private(set) var headers: [String: String] = [:]
    /// Bytes in the file so far; `nil` before the first byte of the response.
    private(set) var total: Int?
    var onStart: (String?) -> Void = { _ in }
    var failure: (kind: HTTPClientError.Kind, detail: String)?

    /// Whether the response ended with its headers: the body of an error is not read.
    private(set) var isEnded = false
    /// The status of the response whose headers were read last, also of a proxy.
    private var statusRead = 0
    private var headerBytes = 0

    private let handle: UnsafeMutableRawPointer
    private let sink: Sink
    private let limitBytes: Int
    private let isStopped: () -> Bool
    private var descriptor: Int32 = -1

    init(_ handle: UnsafeMutableRawPointer, _ sink: Sink, limitBytes: Int, isStopped: @escaping () -> Bool) {
        self.handle = handle
        self.sink = sink
        self.limitBytes = limitBytes
        self.isStopped = isStopped
    }

    deinit { closeFile() }

    var status: Int { Int(shim_response_code(handle)) }

    func closeFile() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// Creates the file for an empty body, too. Call it at the end of a successful response.
    func finish() -> Bool {
        guard case .file = sink, status == 200 || status == 206 else { return true }
        return descriptor >= 0 || openFile()
    }

    /// Reads a line of the headers. `false` ends the transfer.
    func readHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Transfer.headersLimitBytes else {
            failure = (.tooLarge, "more than \(Transfer.headersLimitBytes) bytes of headers")
            return false
        }
        if line.allSatisfy({ $0 == 0x0D || $0 == 0x0A }) { return continuesAfterHeaders() }
        let text = String(decoding: line, as: UTF8.self)
        // The status line of the next response after a redirect.
        if text.hasPrefix("HTTP/") {
            headers = [:]
            statusRead = text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
            return true
        }
        guard headers.count < 100, let colon = text.firstIndex(of: ":") else { return true }
        let value = text[text.index(after: colon)...].drop(while: \.isWhitespace)
        headers[text[..<colon].lowercased()] = String(value.reversed().drop(while: \.isWhitespace).reversed())
        return true
    }

    /// Ends the transfer of an error here: its body may never end. After a redirect, libcurl goes on by itself.
    private func continuesAfterHeaders() -> Bool {
        switch statusRead {
        // No body follows 1xx, 204 and 304, so the connection can stay open.
        case 100..<200, 200, 204, 206, 304: return true
        case 300..<400 where headers["location"] != nil: return true
        default:
            isEnded = true
            return false
        }
    }

    /// Appends bytes of the body. `false` ends the transfer.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // The body of an error response is ignored.
        guard status == 200 || status == 206 else { return true }
        switch sink {
        case .memory:
            guard body.count + bytes.count <= limitBytes else { return tooLarge() }
            body.append(contentsOf: bytes)
            return true
        case .file(let path, _):
            guard descriptor >= 0 || openFile() else { return false }
            guard (total ?? 0) + bytes.count <= limitBytes else { return tooLarge() }
            do throws(SystemError) {
                try Descriptor.writeAll(bytes, to: descriptor, operation: "write \(path)")
            } catch {
                failure = (.file, error.description)
                return false
            }
            total = (total ?? 0) + bytes.count
            return true
        }
    }

    /// Asks the caller whether to continue. `false` ends the transfer.
    ///
    /// - Parameter received: bytes of the body so far, also of one that is ignored.
    func shouldContinue(received: Int) -> Bool {
        if 300..<400 ~= statusRead, received > Transfer.redirectLimitBytes {
            failure = (.tooLarge, "more than \(Transfer.redirectLimitBytes) bytes beside a redirect")
            return false
        }
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
            failure = (.unreachable, "the server sent a different range than requested")
            return false
        }
        let start = isRest ? have : 0
        // Fail before the download if the declared size is over the limit.
        if let length = headers["content-length"].flatMap({ Int($0) }), length > limitBytes - start {
            return tooLarge()
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0, ftruncate(descriptor, start) == 0, lseek(descriptor, start, SEEK_SET) == start else {
            failure = (.file, "open \(path): \(String(cString: strerror(errno)))")
            return false
        }
        // After the truncation: a crash in between must not leave old bytes with the new validator.
        if !isRest { onStart(validator) }
        total = start
        return true
    }

    var etag: String? { sendable("etag") }

    /// The header's value if it is valid in a request. A value with control characters would make the next request
    /// fail.
    private func sendable(_ name: String) -> String? {
        headers[name].flatMap { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && !$0.isEmpty ? $0 : nil }
    }

    /// The validator of this response for If-Range, which allows strong validators only (RFC 9110 section 13.1.5).
    private var validator: String? {
        if let tag = etag, !tag.hasPrefix("W/") { return tag }
        // A date is strong unless the file changed in the second of the response.
        guard let modified = sendable("last-modified"), modified != headers["date"], headers["date"] != nil else {
            return nil
        }
        return modified
    }
}
