import CMicrohttpd

/// One request from its headers to its completion. libmicrohttpd holds it by a pointer; only its thread uses it.
final class Exchange {
    /// Maximum size of the body, in bytes; `nil` for a request without one.
    var limitBytes: Int?
    /// Body of a POST request so far.
    private(set) var body: [UInt8] = []
    /// Headers of the request by lower-case name, once it is complete.
    var headers: [String: String] = [:]
    /// The response that the connection waits for.
    var later: HTTPLater?
    /// The stream that the connection receives.
    var stream: HTTPStream?

    /// Returns the pointer for libmicrohttpd, which `release` takes back.
    func mark() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

    /// Returns the request behind a mark.
    static func behind(_ mark: UnsafeMutableRawPointer) -> Exchange {
        Unmanaged<Exchange>.fromOpaque(mark).takeUnretainedValue()
    }

    /// Releases the request behind a mark.
    static func release(_ mark: UnsafeMutableRawPointer) { Unmanaged<Exchange>.fromOpaque(mark).release() }

    /// Appends a piece of the body. `false`: the body is too large, and the connection must be closed.
    func append(_ data: UnsafePointer<CChar>?, _ count: Int) -> Bool {
        guard let limitBytes, body.count + count <= limitBytes, let data else { return false }
        body += UnsafeRawBufferPointer(start: data, count: count)
        return true
    }
}
