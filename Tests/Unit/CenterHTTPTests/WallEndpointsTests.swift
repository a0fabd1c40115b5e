import HTTPServer
import LinuxSystem
import Runtime
import Synchronization
import Testing
import ViewerAccess

@testable import CenterHTTP

/// The pages, states and people by the role of the viewer, without a socket.
struct WallEndpointsTests {
    private static let counts = String(repeating: "c", count: 64)
    private static let names = String(repeating: "n", count: 64)

    private let hub = HTTPStreamHub()

    private func endpoints(_ open: OpenNetworks = .private) -> CenterEndpoints {
        let html = "text/html; charset=utf-8"
        return CenterEndpoints(
            metrics: Metrics(), snapshots: nil,
            pages: [
                "/": Page(contentType: html, bytes: Array("wall".utf8)),
                "/zone/": Page(contentType: html, bytes: Array("zone".utf8)),
                "/login": Page(contentType: html, bytes: Array("login".utf8)),
                "/wall.css": Page(contentType: "text/css; charset=utf-8", bytes: Array("css".utf8)),
            ],
            live: LiveEndpoints(hub: hub, once: { $0(Array("{}".utf8)) }, fleet: { nil }),
            people: PeopleEndpoints { path, query, later in
                guard path == "/api/people" else { return false }
                later.answer(.text(query["q"] ?? ""))
                return true
            },
            viewers: ViewerPolicy(open: open) { token in
                [Self.counts: (.counts, 500), Self.names: (.names, 900)][token]
            }, readiness: { [] })
    }

    private func get(
        _ path: String, token: String? = nil, _ headers: [String: String] = [:], open: OpenNetworks = .private,
        query: [String: String] = [:]
    ) -> HTTPResponse {
        let bearer = token.map { ["authorization": "Bearer \($0)"] } ?? [:]
        return endpoints(open).respond(
            to: HTTPRequest(path: path, query: query, headers: headers.merging(bearer) { $1 }))
    }

    private func header(_ name: String, _ response: HTTPResponse) -> String? {
        response.headers.first { $0.name == name }?.value
    }

    @Test(arguments: [
        ("/api/live", 200, 401, 200, 200), ("/api/fleet", 503, 401, 503, 503), ("/metrics", 200, 401, 200, 200),
        ("/api/people", 401, 401, 403, 200), ("/api/people/7", 401, 401, 403, 404),
        ("/api/people/none/at/all", 401, 401, 403, 404), ("/api/nothing", 404, 401, 404, 404),
        ("/", 200, 303, 200, 200), ("/zone/Main Stage", 200, 303, 200, 200), ("/login", 200, 200, 200, 200),
        ("/wall.css", 200, 200, 200, 200), ("/healthz", 200, 200, 200, 200), ("/readyz", 200, 200, 200, 200),
        ("/zone", 404, 404, 404, 404),
    ])
    func eachPathHasItsRole(path: String, open: Int, closed: Int, counts: Int, names: Int) {
        #expect(get(path).status == open)
        #expect(get(path, open: .none).status == closed)
        #expect(get(path, token: "x", open: .none).status == closed)
        #expect(get(path, token: Self.counts, open: .none).status == counts)
        #expect(get(path, token: Self.names, open: .none).status == names)
        // A token is not weaker in an open network.
        #expect(get(path, token: Self.names).status == names)
    }

    @Test func pagesHaveAPolicyAndAnEntityTag() throws {
        let page = get("/")
        let tag = try #require(header("ETag", page))
        #expect(header("Cache-Control", page) == "no-cache")
        #expect(header("Content-Security-Policy", page)?.hasPrefix("default-src 'self'; ") == true)
        let known = get("/", ["if-none-match": tag])
        #expect(known.status == 304)
        #expect(get("/zone/A", ["if-none-match": tag]).status == 200)
    }

    @Test func answersOfTheInterfaceAreNotStored() {
        for response in [get("/api/fleet"), get("/api/live"), get("/metrics"), get("/api/people")] {
            #expect(header("Cache-Control", response) == "no-store")
        }
    }

    @Test func pageWithoutAccessRedirectsToTheLogin() {
        let response = get("/zone/Süd & Co", open: .none)
        #expect(response.status == 303)
        #expect(header("Location", response) == "/login?next=%2Fzone%2FS%25C3%25BCd%2520%2526%2520Co")
        // As the wall makes the link, and as the form sends it.
        let screen = get("/zone/A", open: .none, query: ["theme": "light", "lang": "ar&x", "full": ""])
        let next = "%2Fzone%2FA%3Ffull%3D%26lang%3Dar%2526x%26theme%3Dlight"
        #expect(header("Location", screen) == "/login?next=\(next)")
        let done = post("token=\(Self.counts)&next=\(next)")
        #expect(header("Location", done) == "/zone/A?full=&lang=ar%26x&theme=light")
        let long = get("/zone/A", open: .none, query: ["x": String(repeating: "y", count: Login.nextLimit)])
        #expect(header("Location", long) == "/login?next=%2Fzone%2FA")
    }

    // MARK: Log-in

    private func post(
        _ body: String, to path: String = "/login", _ headers: [String: String] = [:], isTLS: Bool = false,
        _ endpoints: CenterEndpoints? = nil
    ) -> HTTPResponse {
        (endpoints ?? self.endpoints(.none)).respond(
            to: HTTPRequest(path: path, headers: headers, body: Array(body.utf8)), isTLS: isTLS)
    }

    @Test func loginMakesACookieOfTheToken() {
        let done = post("token=+\(Self.names)%0A&next=%2Fzone%2FA%20B")
        #expect(done.status == 303 && header("Location", done) == "/zone/A%20B")
        let cookie = "tapline_viewer=\(Self.names); Path=/; Max-Age=900; HttpOnly; SameSite=Strict"
        #expect(header("Set-Cookie", done) == cookie)
        let secure = post("token=\(Self.counts)", isTLS: true)
        #expect(header("Set-Cookie", secure)?.hasSuffix("; Max-Age=500; HttpOnly; SameSite=Strict; Secure") == true)
        #expect(header("Location", secure) == "/")
        let behindProxy = post("token=\(Self.counts)", ["x-forwarded-proto": "https", "via": "1.1 p"])
        #expect(header("Set-Cookie", behindProxy)?.hasSuffix("; Secure") == true)
        #expect(get("/api/people", ["cookie": "tapline_viewer=\(Self.names)"], open: .none).status == 200)
    }

    @Test func logoutRemovesTheCookie() {
        let done = post("", to: "/logout")
        #expect(done.status == 303 && header("Location", done) == "/")
        #expect(header("Set-Cookie", done) == "tapline_viewer=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    @Test func wrongTokenIsRefusedAsTextOrPage() {
        #expect(post("token=x").status == 401)
        #expect(post("").status == 401)
        let person = post("token=x&next=/zone/A", ["accept": "text/html,*/*"])
        #expect(person.status == 303 && header("Set-Cookie", person) == nil)
        #expect(header("Location", person) == "/login?next=%2Fzone%2FA&failed=1")
    }

    @Test func formOfAnotherSiteIsRefused() {
        let body = "token=\(Self.names)"
        for headers in [
            ["origin": "http://evil.example", "host": "center:8080"], ["origin": "null", "host": "center"],
            ["origin": "http://center:8081", "host": "center:8080"], ["origin": "", "host": ""],
            ["origin": "http://evil.example", "host": "center", "sec-fetch-site": "cross-site"],
        ] {
            #expect(post(body, headers).status == 403, "\(headers)")
            #expect(post("", to: "/logout", headers).status == 403, "\(headers)")
        }
        for headers in [
            ["origin": "http://center:8080", "host": "Center:8080"], [:],
            ["origin": "https://wall.example", "host": "127.0.0.1:8080", "x-forwarded-host": "wall.example"],
            ["origin": "https://wall.example", "host": "127.0.0.1:8080", "sec-fetch-site": "same-origin"],
        ] {
            #expect(post(body, headers).status == 303, "\(headers)")
        }
    }

    @Test(arguments: [
        "//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/\t/evil.example\\",
    ])
    func nextPathIsOfThisServer(next: String) {
        let done = post("token=\(Self.counts)&next=\(FormFields.encode(next))")
        #expect(header("Location", done) == "/")
    }

    @Test func nextPathHasNoLineBreak() {
        let done = post("token=\(Self.counts)&next=%2Fa%0D%0ASet-Cookie:x=y")
        #expect(header("Location", done) == "/a%0D%0ASet-Cookie%3Ax%3Dy")
    }

    @Test func tenFailuresBlockAnAddressForAMinute() {
        let endpoints = endpoints(.none)
        for _ in 1...LoginAttempts.limit { #expect(post("token=x", endpoints).status == 401) }
        let blocked = post("token=\(Self.names)", endpoints)
        #expect(blocked.status == 429 && header("Retry-After", blocked) == "60")
        let person = post("token=\(Self.names)", ["accept": "text/html"], endpoints)
        #expect(header("Location", person) == "/login?next=%2F&busy=1")
        // A token that is known works on.
        let request = HTTPRequest(path: "/api/people", headers: ["authorization": "Bearer \(Self.names)"])
        #expect(endpoints.respond(to: request).status == 200)
    }

    private func post(_ body: String, _ endpoints: CenterEndpoints) -> HTTPResponse {
        post(body, to: "/login", [:], endpoints)
    }

    private func post(_ body: String, _ headers: [String: String], _ endpoints: CenterEndpoints) -> HTTPResponse {
        post(body, to: "/login", headers, isTLS: false, endpoints)
    }

    @Test func attemptsAreCountedByAddressAndForgotten() {
        var attempts = LoginAttempts()
        let (one, two) = (IPAddress("192.0.2.1"), IPAddress("192.0.2.2"))
        for _ in 1...LoginAttempts.limit {
            #expect(attempts.permits(one, nowMs: 5))
            attempts.failed(one, nowMs: 5)
        }
        #expect(!attempts.permits(one, nowMs: 60_004) && attempts.permits(two, nowMs: 5))
        #expect(attempts.permits(one, nowMs: 60_005))
        for number in 0..<(2 * LoginAttempts.addressLimit) {
            attempts.failed(IPAddress("10.0.\(number / 256).\(number % 256)"), nowMs: Int64(number))
        }
        #expect(attempts.count == LoginAttempts.addressLimit)
    }
}
