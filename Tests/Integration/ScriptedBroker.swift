import Glibc
import LinuxSystem
import Runtime
import Synchronization
import TestSupport

/// A broker that lies: it logs one client in, and then sends what a script says. It speaks AMQP 0-9-1 by its own code.
final class ScriptedBroker: Sendable {
    /// Method numbers of AMQP 0-9-1: class << 16 | method.
    enum Number {
        static let tuneOK: UInt32 = 0x000a_001f
        static let connectionOpen: UInt32 = 0x000a_0028
        static let channelOpen: UInt32 = 0x0014_000a
        static let qos: UInt32 = 0x003c_000a
        static let consume: UInt32 = 0x003c_0014
        static let cancel: UInt32 = 0x003c_001e
        static let reject: UInt32 = 0x003c_005a
        static let confirmSelect: UInt32 = 0x0055_000a
    }

    var url: String { "amqp://127.0.0.1:\(listener.port)" }
    /// The frame size that the client agreed to; 0 before.
    var agreedFrameMax: UInt32 { agreed.withLock { $0 } }
    private let listener: LoopbackListener
    private let agreed = Mutex<UInt32>(0)
    private let ended = StopSignal()
    private let failure = Mutex<String?>(nil)

    /// Starts the thread, which serves one client.
    ///
    /// - Parameters:
    ///   - frameMax: offered frame size.
    ///   - script: runs after the login. The connection ends when it returns.
    init(frameMax: UInt32 = 131_072, _ script: @escaping @Sendable (ScriptedPeer) throws -> Void) throws {
        listener = try LoopbackListener()
        NamedThread("scripted-broker") { [self] in
            let socket = accept(listener.descriptor, nil, nil)
            let peer = ScriptedPeer(socket)
            do {
                try login(peer, frameMax)
                try script(peer)
            } catch { failure.withLock { $0 = "\(error)" } }
            close(socket)
            listener.end()
            ended.stop()
        }
    }

    /// Waits for the end of the thread.
    ///
    /// - Throws: `TestFailure` if the script failed or does not end.
    func end() throws {
        guard ended.wait(ms: waitLimitMs) else { throw TestFailure("the scripted broker does not end") }
        if let text = failure.withLock({ $0 }) { throw TestFailure("the scripted broker: \(text)") }
    }

    private func login(_ peer: ScriptedPeer, _ frameMax: UInt32) throws {
        _ = try peer.read(8)
        // Version 0-9, no properties, one mechanism, one locale.
        try peer.send(method: 0x000a_000a, channel: 0, [0, 9] + be32(0) + long("PLAIN") + long("en_US"))
        _ = try peer.frame()
        try peer.send(method: 0x000a_001e, channel: 0, be16(2_047) + be32(frameMax) + be16(600))
        let answer = try peer.awaitMethod(Number.tuneOK)
        agreed.withLock { $0 = answer.dropFirst(2).prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
        _ = try peer.awaitMethod(Number.connectionOpen)
        try peer.send(method: 0x000a_0029, channel: 0, [0])
        _ = try peer.awaitMethod(Number.channelOpen)
        try peer.send(method: 0x0014_000b, channel: 1, be32(0))
    }
}

/// The connection of a `ScriptedBroker` to its client.
struct ScriptedPeer: Sendable {
    /// Frame types.
    static let method: UInt8 = 1
    static let header: UInt8 = 2
    static let body: UInt8 = 3

    let socket: Int32

    init(_ socket: Int32) {
        self.socket = socket
        // A client that neither reads nor writes fails its test.
        var limit = timeval(tv_sec: waitLimitMs / 1_000, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let received = recv(socket, &bytes[done], count - done, 0)
            guard received > 0 else { throw TestFailure("the client has closed the connection") }
            done += received
        }
        return bytes
    }

    func frame() throws -> (type: UInt8, channel: UInt16, payload: [UInt8]) {
        let head = try read(7)
        let size = head[3...].reduce(0) { $0 << 8 | Int($1) }
        let rest = try read(size + 1)
        return (head[0], UInt16(head[1]) << 8 | UInt16(head[2]), Array(rest.dropLast()))
    }

    /// Reads frames up to a method, and returns its fields.
    func awaitMethod(_ number: UInt32) throws -> [UInt8] {
        while true {
            let (type, _, payload) = try frame()
            if type == ScriptedPeer.method, payload.starts(with: be32(number)) { return Array(payload.dropFirst(4)) }
        }
    }

    func send(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw TestFailure("the client has closed the connection") }
            done += sent
        }
    }

    func send(method: UInt32, channel: UInt16 = 1, _ fields: [UInt8]) throws {
        try send(frameBytes(ScriptedPeer.method, channel, be32(method) + fields))
    }

    /// Answers `basic.qos`.
    ///
    /// - Parameter bytes: sent before the answer.
    func answerQos(after bytes: [UInt8] = []) throws {
        _ = try awaitMethod(ScriptedBroker.Number.qos)
        try send(bytes)
        try send(method: 0x003c_000b, [])
    }

    /// Sends the same bytes until the client closes the connection.
    func flood(_ bytes: [UInt8]) {
        // Many copies at once, so that the client always finds data.
        let block = Array(repeatElement(bytes, count: max(1, 262_144 / bytes.count)).joined())
        while (try? send(block)) != nil {}
    }
}

func be16(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
func be32(_ number: UInt32) -> [UInt8] { be16(UInt16(number >> 16)) + be16(UInt16(number & 0xffff)) }
func be64(_ number: UInt64) -> [UInt8] { be32(UInt32(number >> 32)) + be32(UInt32(number & 0xffff_ffff)) }
func short(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
func long(_ text: String) -> [UInt8] { be32(UInt32(text.utf8.count)) + Array(text.utf8) }

func frameBytes(_ type: UInt8, _ channel: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [type] + be16(channel) + be32(UInt32(payload.count)) + payload + [0xce]
}

/// The frames of messages.
enum WireMessage {
    /// `basic.deliver`, header and body.
    ///
    /// - Parameter headers: an encoded table without its size; `nil` for no headers.
    static func delivery(
        tag: UInt64, redelivered: Bool = false, headers: [UInt8]? = nil, body: [UInt8] = []
    ) -> [UInt8] {
        let fields = short("consumer") + be64(tag) + [redelivered ? 1 : 0] + short("tapline.scans") + short("scan.a")
        return frameBytes(ScriptedPeer.method, 1, be32(0x003c_003c) + fields) + content(headers, body)
    }

    /// `basic.return`, header and body.
    static func returned(headers: [UInt8]? = nil, body: [UInt8] = []) -> [UInt8] {
        let fields = be16(312) + short("NO_ROUTE") + short("tapline.scans") + short("scan.a")
        return frameBytes(ScriptedPeer.method, 1, be32(0x003c_0032) + fields) + content(headers, body)
    }

    private static func content(_ headers: [UInt8]?, _ body: [UInt8]) -> [UInt8] {
        let properties = headers.map { be16(0x2000) + be32(UInt32($0.count)) + $0 } ?? be16(0)
        var bytes = frameBytes(ScriptedPeer.header, 1, be16(60) + be16(0) + be64(UInt64(body.count)) + properties)
        for start in stride(from: 0, to: body.count, by: 131_064) {
            bytes += frameBytes(ScriptedPeer.body, 1, Array(body[start..<min(start + 131_064, body.count)]))
        }
        return bytes
    }

    /// A table whose value nests arrays, or tables with an empty key, up to `bytes`.
    static func nested(_ kind: Character, bytes: Int) -> [UInt8] {
        let level = kind == "A" ? 5 : 6
        let depth = (bytes - 3) / level
        var result = short("x")
        result.reserveCapacity(bytes)
        for index in 0..<depth {
            if kind == "F", index > 0 { result.append(0) }
            let inner = UInt32(level * (depth - index - 1))
            result += [kind.asciiValue!] + be32(inner)
        }
        return result
    }
}
