import Synchronization

/// What a server has done so far.
package final class HTTPTraffic: Sendable {
    private let counts = Mutex<[Int: Int]>([:])
    private let open: Connections

    init(_ open: Connections) { self.open = open }

    /// Number of responses by status code.
    package var responses: [Int: Int] { counts.withLock { $0 } }

    /// Number of open connections.
    package var connections: Int { open.count }

    func count(_ status: Int) { counts.withLock { $0[status, default: 0] += 1 } }
}
