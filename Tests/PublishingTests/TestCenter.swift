import HTTPServer
import Runtime
import Scans
import Snapshots
import Support
import Synchronization
import Zlib

/// A center that serves a snapshot folder over HTTP, and remembers who asked for what.
final class TestCenter: Sendable {
    let folder = TemporaryFolder("center")
    let key: MinisignSecretKey
    private let served: Served
    private let server: HTTPServer

    /// What the server's threads share with the test.
    private final class Served: Sendable {
        struct State {
            var requests: [HTTPRequest] = []
            /// Answers instead of the folder: by file name, one a request, the last for ever.
            var instead: [String: [HTTPResponse]] = [:]
        }
        let state = Mutex(State())
    }

    init() throws {
        key = try MinisignSecretKey.generate()
        let (served, path) = (Served(), folder.path)
        self.served = served
        server = try HTTPServer(HTTPAddress("127.0.0.1:0")!) { request in
            let name = String(request.path.split(separator: "/").last ?? "")
            let instead: HTTPResponse? = served.state.withLock { state in
                state.requests.append(request)
                guard var answers = state.instead[name], let answer = answers.first else { return nil }
                if answers.count > 1 { answers.removeFirst() }
                state.instead[name] = answers
                return answer
            }
            if let instead { return instead }
            guard request.path.hasPrefix("/snapshot/"), let file = HTTPFile(path: path + "/" + name) else {
                return .text("not here", status: 404)
            }
            return HTTPResponse(contentType: "application/octet-stream", body: .file(file))
        }
    }

    deinit { server.stop() }

    var port: UInt16 { server.port }
    var url: String { "http://127.0.0.1:\(server.port)" }
    var requests: [HTTPRequest] { served.state.withLock { $0.requests } }

    func answer(_ name: String, _ answers: [HTTPResponse]) {
        served.state.withLock { $0.instead[name] = answers }
    }

    func redirect(_ name: String, to target: String) {
        var answer = HTTPResponse.text("", status: 302)
        answer.headers = [("Location", target)]
        self.answer(name, [answer])
    }

    /// Writes a snapshot, compressed too, with manifest and signature.
    @discardableResult
    func publish(version: Int64, tags: Int64 = 5, signedBy other: MinisignSecretKey? = nil) throws -> Manifest {
        let path = folder.file(SnapshotFileName.of(version))
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        let writer = try SnapshotWriter(path: path)
        var random = SystemRandomNumberGenerator()
        for number in 0..<tags {
            try writer.add(
                // Numbers that do not compress, in key order.
                TagID(rawValue: number << 40 | Int64(random.next() >> 25)),
                Attendee(status: .active, pass: 1, attendee: number + 1))
        }
        try writer.addPass(id: 1, name: "Crew")
        try writer.add(Zone(id: 1, name: "Field"))
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1))
        try writer.addGate(id: 1, name: "North", zone: 1)
        try writer.finish(event: "Campfire", version: version, createdS: nowS - 10, expiresS: nowS + 86_400)
        let packed = path + ".gz"
        try Gzip.compress(path, to: packed)
        let manifest = try Manifest(
            describing: path,
            compressed: Manifest.Package(
                file: SnapshotFileName.of(version) + ".gz", size: Int64(Files.status(packed)?.size ?? 0),
                sha256: try Files.sha256Hex(packed)))
        let bytes = try manifest.json()
        try Files.writeAtomically(bytes, to: folder.file(Manifest.fileName))
        try Files.writeAtomically(
            try MinisignSignature.file(signing: bytes, with: other ?? key, trustedComment: "version \(version)"),
            to: folder.file(Manifest.signatureFileName))
        return manifest
    }
}
