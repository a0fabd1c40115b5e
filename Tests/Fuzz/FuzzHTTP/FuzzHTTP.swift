import CenterHTTP
import FileSystem
import FuzzDriver
import Glibc
import HTTPServer
import Runtime

/// Requests to the center's HTTP server, over a socket.
@main enum FuzzHTTP {
    /// Maximum wait for an answer, in seconds.
    private static let waitS = 20

    static func main() {
        do {
            let folder = try Files.makeTemporaryFolder("tapline-fuzz-http")
            try Files.writeAtomically(Array("{}".utf8), to: folder + "/manifest.json")
            try Files.writeAtomically([UInt8](repeating: 7, count: 10_000), to: folder + "/snapshot-7.sqlite")
            let endpoints = CenterEndpoints(metrics: Metrics(), snapshots: folder, readiness: { [("part", "problem")] })
            guard let address = HTTPAddress("127.0.0.1:0") else { fatalError("no address") }
            let server = try HTTPListener(address) { endpoints.respond(to: $0) }
            fuzz { bytes in
                // The server stops when it is released.
                withExtendedLifetime(server) { exchange(bytes, server.port) }
                // Without a server: header values that libmicrohttpd would reject.
                let text = String(decoding: bytes, as: UTF8.self)
                for name in ["range", "if-none-match", "if-range"] {
                    for size in [0, 1, 10_000, Int64.max] {
                        var headers = ["range": text]
                        headers[name] = text
                        _ = Selection(etag: "\"a\"", size: size, headers: headers)
                    }
                }
                _ = endpoints.respond(to: HTTPRequest(path: text))
            }
        } catch { fatalError("\(error)") }
    }

    /// Sends a request and reads to the end of the connection.
    private static func exchange(_ bytes: [UInt8], _ port: UInt16) {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard client >= 0 else { fatalError("socket") }
        defer { close(client) }
        var limit = timeval(tv_sec: waitS, tv_usec: 0)
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        // Closed without TIME_WAIT, or the ports run out.
        var isAbrupt = linger(l_onoff: 1, l_linger: 0)
        setsockopt(client, SOL_SOCKET, SO_LINGER, &isAbrupt, socklen_t(MemoryLayout<linger>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { fatalError("the server does not accept a connection") }
        _ = bytes.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        shutdown(client, Int32(SHUT_WR))
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(client, &chunk, chunk.count, 0)
            if count == 0 || count < 0 && errno == ECONNRESET { return }
            if count < 0 && errno != EINTR { fatalError("the connection was not closed within \(waitS) s") }
        }
    }
}
