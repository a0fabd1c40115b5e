import CMicrohttpd

/// Body of one POST request, bounded. libmicrohttpd holds it by a pointer from the headers to the end of the request.
final class Upload {
    /// The mark of requests without a body: no address of an object.
    static var none: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: 1) }

    private let limitBytes: Int
    private(set) var bytes: [UInt8] = []

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// Returns the pointer for libmicrohttpd, which `release` takes back.
    func mark() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }

    /// Returns the body behind a mark; `nil` for a request without one.
    static func behind(_ mark: UnsafeMutableRawPointer?) -> Upload? {
        guard let mark, mark != none else { return nil }
        return Unmanaged<Upload>.fromOpaque(mark).takeUnretainedValue()
    }

    /// Releases the body behind a mark.
    static func release(_ mark: UnsafeMutableRawPointer?) {
        guard let mark, mark != none else { return }
        Unmanaged<Upload>.fromOpaque(mark).release()
    }

    /// Appends a piece. `false`: the body is too large, and the connection must be closed.
    func append(_ data: UnsafePointer<CChar>?, _ count: Int) -> Bool {
        guard bytes.count + count <= limitBytes, let data else { return false }
        bytes += UnsafeRawBufferPointer(start: data, count: count)
        return true
    }
}
