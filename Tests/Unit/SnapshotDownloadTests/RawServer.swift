import Glibc
import LinuxSystem
import Runtime
import Synchronization
import TestSupport

/// A server that answers each connection with given bytes, valid HTTP or not, and then closes it.
final class RawServer: Sendable {
    /// The pieces of an answer, with a pause before each.
    struct Answer {
        var pieces: [[UInt8]]
        var pauseMs = 0
        /// Keeps the connection open without sending until the client closes it.
        var hangs = false

        init(_ head: String, _ body: [UInt8] = [], pauseMs: Int = 0, hangs: Bool = false) {
            pieces = [Array((head.split(separator: "\n").joined(separator: "\r\n") + "\r\n\r\n").utf8) + body]
            (self.pauseMs, self.hangs) = (pauseMs, hangs)
        }
    }

    let port: UInt16
    private let listener: Int32
    private let requested = Mutex<[String]>([])

    /// - Parameter answer: returns the answer to the head of a request.
    init(_ answer: @escaping @Sendable (String) -> Answer) throws {
        let listening = try LoopbackListener()
        let listener = listening.descriptor
        (self.listener, port) = (listener, listening.port)
        NamedThread("raw-server") { [self] in
            while true {
                let client = accept(listener, nil, nil)
                // Closed here, because another test could reuse the descriptor while this thread still accepts on it.
                guard client >= 0 else {
                    close(listener)
                    return
                }
                serve(client, answer)
            }
        }
    }

    /// Ends the server. Call it exactly once, because the server's thread retains this object.
    func end() {
        shutdown(listener, Int32(SHUT_RDWR))
    }

    var url: String { "http://127.0.0.1:\(port)" }
    /// The heads of all requests.
    var requests: [String] { requested.withLock { $0 } }

    private func serve(_ client: Int32, _ answer: (String) -> Answer) {
        defer { close(client) }
        var head = ""
        var byte: UInt8 = 0
        while !head.hasSuffix("\r\n\r\n") {
            guard read(client, &byte, 1) == 1 else { return }
            head.unicodeScalars.append(Unicode.Scalar(byte))
        }
        requested.withLock { $0.append(head) }
        let answer = answer(head)
        for piece in answer.pieces {
            if answer.pauseMs > 0 { usleep(UInt32(answer.pauseMs) * 1_000) }
            var rest = piece[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
        if answer.hangs { _ = read(client, &byte, 1) }
    }
}
