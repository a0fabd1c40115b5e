import CenterHTTP
import FileSystem
import FuzzDriver
import Glibc
import HTTPServer
import Runtime

/// Requests to the center's HTTP server, over a socket.
@main enum FuzzHTTP {
    /// Maximum wait for an answer to an input, in microseconds. An incomplete request has none: libmicrohttpd may see
    /// the end of the connection only at its time limit.
    private static let inputWaitUs = 20_000
    /// Maximum wait for the answer to a complete request, in microseconds.
    private static let answerWaitUs = 20_000_000
    /// Number of inputs after which a complete request must be answered.
    private static let inputsPerAnswer = 50

    static func main() {
        do {
            let folder = try Files.makeTemporaryFolder("tapline-fuzz-http")
            try Files.writeAtomically(Array("{}".utf8), to: folder + "/manifest.json")
            try Files.writeAtomically([UInt8](repeating: 7, count: 10_000), to: folder + "/snapshot-7.sqlite")
            let endpoints = CenterEndpoints(metrics: Metrics(), snapshots: folder, readiness: { [("part", "problem")] })
            guard let address = HTTPAddress("127.0.0.1:0") else { fatalError("no address") }
            let server = try HTTPListener(address) { endpoints.respond(to: $0) }
            var inputs = 0
            fuzz { bytes in
                // The server stops when it is released.
                withExtendedLifetime(server) {
                    _ = answer(to: bytes, server.port, waitUs: inputWaitUs)
                    inputs += 1
                    guard inputs % inputsPerAnswer == 0 else { return }
                    let honest = Array("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
                    let answer = answer(to: honest, server.port, waitUs: answerWaitUs)
                    guard answer.starts(with: Array("HTTP/1.1 200".utf8)) else { fatalError("no answer") }
                }
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
                _ = HTTPRequest(path: "/", headers: ["cookie": text, "authorization": text]).cookies
            }
        } catch { fatalError("\(error)") }
    }

    /// Sends a request and reads to the end of the connection, or until nothing arrives for a time.
    private static func answer(to bytes: [UInt8], _ port: UInt16, waitUs: Int) -> [UInt8] {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard client >= 0 else { fatalError("socket") }
        defer { close(client) }
        var limit = timeval(tv_sec: waitUs / 1_000_000, tv_usec: waitUs % 1_000_000)
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
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(client, &chunk, chunk.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return answer }
            answer += chunk.prefix(count)
        }
    }
}
