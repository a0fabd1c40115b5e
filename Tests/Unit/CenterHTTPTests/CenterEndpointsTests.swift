import FileSystem
import HTTPServer
import LinuxSystem
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import CenterHTTP

/// Tests the center's endpoints over a real socket.
struct CenterEndpointsTests {
    private final class Problems: Sendable {
        let all = Mutex<[(name: String, problem: String)]>([])
    }

    private func serve(
        snapshots: String? = nil, metrics: Metrics = Metrics(), problems: Problems = Problems(),
        admits: @escaping CenterEndpoints.Admission = { _ in false }, _ body: (RawHTTP) throws -> Void
    ) throws {
        let endpoints = CenterEndpoints(metrics: metrics, snapshots: snapshots, admits: admits) {
            problems.all.withLock { $0 }
        }
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { endpoints.respond(to: $0) }
        defer { server.stop() }
        try body(RawHTTP(port: server.port))
    }

    @Test func readinessNamesEachUnavailableServer() throws {
        let problems = Problems()
        try serve(problems: problems) { (client: RawHTTP) throws in
            #expect(try client.get("/healthz").status == 200)
            #expect(try client.get("/readyz").status == 200)
            problems.all.withLock { $0 = [("broker", "not connected"), ("database", "not connected")] }
            let response = try client.get("/readyz")
            #expect(response.status == 503)
            #expect(response.text == "broker: not connected\ndatabase: not connected\n")
            #expect(try client.get("/healthz").status == 200)
        }
    }

    /// Pages, texts, files, JSON and errors: a browser guesses the type of none.
    @Test func eachResponseForbidsToGuessItsType() throws {
        let folder = TemporaryFolder()
        try Files.writeAtomically(Array("{}".utf8), to: folder.path + "/manifest.json")
        try serve(snapshots: folder.path) { (client: RawHTTP) throws in
            for (path, status) in [
                ("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/none", 404), ("/api/none", 404),
                ("/snapshot/manifest.json", 200), ("/snapshot/none", 404),
                ("/?" + (0...16).map { "p\($0)" }.joined(separator: "&"), 400),
            ] {
                let response = try client.get(path)
                #expect(response.status == status, "\(path)")
                #expect(response.headers["x-content-type-options"] == "nosniff", "\(path)")
            }
        }
    }

    private static let proxied = [
        ["X-Forwarded-For": "192.0.2.7"], ["Forwarded": "for=192.0.2.7"], ["X-Real-IP": "192.0.2.7"], ["Via": "1.1 p"],
    ]

    @Test(arguments: proxied)
    func readinessNamesNoDetailToOtherMachines(headers: [String: String]) throws {
        let problems = Problems()
        problems.all.withLock { $0 = [("broker", "connect to amqps://tapline@broker.example:5671: refused")] }
        try serve(problems: problems) { (client: RawHTTP) throws in
            let other = try client.get("/readyz", headers)
            #expect(other.status == 503 && other.text == "broker: not ready\n")
            #expect(try client.get("/readyz").text.contains("broker.example"))
        }
    }

    @Test(arguments: proxied)
    func snapshotsNeedATokenFromOtherMachines(headers: [String: String]) throws {
        let folder = TemporaryFolder()
        try Files.writeAtomically(Array("{}".utf8), to: folder.path + "/manifest.json")
        let admits: CenterEndpoints.Admission = { $0 == "good" }
        try serve(snapshots: folder.path, admits: admits) { (client: RawHTTP) throws in
            func status(_ path: String, _ authorization: String?) throws -> Int {
                try client.get(path, headers.merging(authorization.map { ["Authorization": $0] } ?? [:]) { $1 }).status
            }
            let path = "/snapshot/manifest.json"
            #expect(try client.get(path).status == 200)
            for authorization in ["Bearer good", "bearer good"] { #expect(try status(path, authorization) == 200) }
            for authorization in [nil, "", "good", "Bearer", "Bearer ", "Bearer bad", "Bearer good ", "Basic good"] {
                #expect(try status(path, authorization) == 401, "\(authorization ?? "none")")
                // The same answer for a name that does not exist.
                #expect(try status("/snapshot/none", authorization) == 401)
            }
            #expect(try status("/snapshot/none", "Bearer good") == 404)
            let refused = try client.get(path, headers)
            #expect(refused.headers["www-authenticate"] == "Bearer" && refused.text == "401: a token is required\n")
            #expect(try status("/healthz", nil) == 200)
        }
    }

    @Test func otherPeerAddressIsAnotherMachine() {
        func isLocal(_ peer: String?) -> Bool { HTTPRequest(path: "/", peer: peer.flatMap { IPAddress($0) }).isLocal }
        #expect(isLocal("127.0.0.1") && isLocal("::1") && isLocal("::ffff:127.0.0.5"))
        #expect(!isLocal("192.0.2.7") && !isLocal("2001:db8::1") && !isLocal(nil))
    }

    @Test func metricsAreRenderedAsText() throws {
        let metrics = Metrics()
        metrics.counter("tapline_test_total", "A test.").add(3)
        try serve(metrics: metrics) { (client: RawHTTP) throws in
            let response = try client.get("/metrics")
            #expect(response.status == 200)
            #expect(response.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            #expect(response.text.contains("tapline_test_total 3\n"))
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    func methodsOtherThanGetAndHeadAreRejected(method: String) throws {
        try serve { (client: RawHTTP) throws in
            let response = try client.send(method, "/healthz", ["Content-Length": "4"], body: "body")
            #expect(response.status == 405)
            #expect(response.headers["allow"] == "GET, HEAD")
            #expect(try client.get("/healthz").status == 200)
        }
    }

    @Test func headReturnsHeadersWithoutBody() throws {
        try serve { (client: RawHTTP) throws in
            let response = try client.send("HEAD", "/healthz")
            #expect(response.status == 200)
            #expect(response.headers["content-length"] == "6")
            #expect(response.body.isEmpty)
            #expect(try client.get("/nothing").status == 404)
        }
    }

    @Test func snapshotFilesSupportRangesAndEntityTags() throws {
        let folder = TemporaryFolder()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.writeAtomically(bytes, to: folder.path + "/snapshot-7.sqlite")
        try serve(snapshots: folder.path) { (client: RawHTTP) throws in
            let path = "/snapshot/snapshot-7.sqlite"
            let whole = try client.get(path)
            #expect(whole.status == 200)
            #expect(whole.body == bytes)
            let etag = try #require(whole.headers["etag"])
            #expect(etag.hasPrefix("\"") && etag.hasSuffix("\""))
            #expect(try client.get(path, ["If-None-Match": etag]).status == 304)
            let rest = try client.get(path, ["Range": "bytes=100000-", "If-Range": etag])
            #expect(rest.status == 206)
            #expect(rest.body == Array(bytes[100_000...]))
            #expect(rest.headers["content-range"] == "bytes 100000-299999/300000")
            #expect(try client.send("HEAD", path, ["Range": "bytes=1-2"]).headers["content-length"] == "300000")
            let beyond = try client.get(path, ["Range": "bytes=300000-"])
            #expect(beyond.status == 416)
            #expect(beyond.headers["content-range"] == "bytes */300000")

            try Files.writeAtomically([1, 2, 3], to: folder.path + "/snapshot-7.sqlite")
            let changed = try client.get(path, ["Range": "bytes=1-", "If-Range": etag])
            #expect(changed.status == 200)
            #expect(changed.body == [1, 2, 3])
            #expect(changed.headers["etag"] != etag)
        }
    }

    @Test func otherFilesOfTheFolderAreNotServed() throws {
        let folder = TemporaryFolder()
        let inner = folder.path + "/public"
        try Files.makeFolder(inner)
        for name in ["signing.key", "public/snapshot-1.sqlite.tmp-12", "public/manifest.json", "public/secret"] {
            try Files.writeAtomically(Array("x".utf8), to: folder.path + "/" + name)
        }
        try Files.makeFolder(inner + "/snapshot-2.sqlite")
        try serve(snapshots: inner) { (client: RawHTTP) throws in
            #expect(try client.get("/snapshot/manifest.json").status == 200)
            for name in [
                "", "../signing.key", "%2e%2e/signing.key", "..%2fsigning.key", "snapshot-1.sqlite.tmp-12", "secret",
                "snapshot-2.sqlite", "snapshot-3.sqlite", "snapshot-../../signing.key", "snapshot-.sqlite/../secret",
                "./manifest.json", "manifest.json/", "snapshot-1/../manifest.json",
            ] {
                #expect(try client.get("/snapshot/" + name).status == 404, "\(name)")
            }
        }
    }

    @Test(arguments: ["\u{0}\u{0}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"])
    func garbageEndsOnlyItsConnection(garbage: String) throws {
        try serve { (client: RawHTTP) throws in
            _ = try client.exchange(garbage + "GET /nothing HTTP/1.0\r\n\r\n")
            let long = try client.get("/" + String(repeating: "a", count: 100_000))
            #expect(long.status == 0 || long.status >= 400)
            #expect(try client.get("/healthz").status == 200)
        }
    }

    @Test func addressesAreParsed() {
        for good in ["127.0.0.1:8080", "localhost:0", "[::1]:80", ":8080", "0.0.0.0:65535"] {
            #expect(HTTPAddress(good) != nil, "\(good)")
        }
        for bad in ["8080", "127.0.0.1", "::1:80", "example.org:80", "127.0.0.1:65536", "127.0.0.1:-1", ""] {
            #expect(HTTPAddress(bad) == nil, "\(bad)")
        }
    }

    @Test func portInUseIsAnError() throws {
        let first = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("") }
        defer { first.stop() }
        let taken = try #require(HTTPAddress("127.0.0.1:\(first.port)"))
        #expect(throws: HTTPServerError.self) { try HTTPListener(taken) { _ in .text("") } }
    }
}
