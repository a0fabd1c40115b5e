import HTTPServer
import LinuxSystem
import TestSupport
import Testing

/// The query and the cookies of requests.
struct RequestTests {
    /// Returns the parameters that the server reads from a request target, as sorted `NAME=VALUE`.
    private func query(_ target: String) throws -> RawHTTP.Answer {
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { request in
            .text(request.path + "|" + request.query.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "|"))
        }
        defer { server.stop() }
        return try RawHTTP(port: server.port).get(target)
    }

    @Test(arguments: [
        ("/a", "/a|"), ("/a?", "/a|"), ("/a?once", "/a|once="), ("/a?q=M%C3%BCller+x%26y&q=z", "/a|q=z"),
        ("/a?q=%D9%87%D8%AF%D9%89&n=1", "/a|n=1|q=هدى"), ("/a?Q=1&q=2", "/a|Q=1|q=2"), ("/a%3Fb?c=%3d", "/a?b|c=="),
    ])
    func queryIsDecoded(target: String, text: String) throws {
        #expect(try query(target).text == text)
    }

    @Test func queryWithTooManyParametersIs400() throws {
        let pairs = (1...17).map { "a\($0)=1" }
        #expect(try query("/a?" + pairs.dropLast().joined(separator: "&")).status == 200)
        let refused = try query("/a?" + pairs.joined(separator: "&"))
        #expect(refused.status == 400 && refused.text == "400: a query has at most 16 parameters\n")
    }

    @Test(arguments: [
        ("", [:]), ("a", [:]), ("a=b", ["a": "b"]), ("a=b; c=d", ["a": "b", "c": "d"]),
        ("a=b;c=\"d\"", ["a": "b", "c": "d"]), (" a = b ;; =x; a=c", ["a": "b"]), ("a=b=c; d=", ["a": "b=c", "d": ""]),
        ("a=\"", ["a": "\""]),
    ])
    func cookiesAreRead(header: String, cookies: [String: String]) {
        #expect(HTTPRequest(path: "/", headers: ["cookie": header]).cookies == cookies)
    }

    @Test func requestOfAProxyIsNotLocal() {
        #expect(HTTPRequest(path: "/").isLocal && !HTTPRequest(path: "/").isProxied)
        let passed = HTTPRequest(path: "/", headers: ["via": "1.1 p"])
        #expect(!passed.isLocal && passed.isProxied)
        #expect(!HTTPRequest(path: "/", peer: IPAddress("192.0.2.7")).isLocal)
    }
}
