import HTTPServer
import LinuxSystem
import Synchronization
import ViewerAccess

/// Log-in and log-out of viewers: a form with a token, which becomes a cookie.
final class Login: Sendable {
    static let path = "/login"
    static let logoutPath = "/logout"
    /// Paths that accept POST, with the maximum size of the body, in bytes.
    static let posts = [path: 4_096, logoutPath: 1_024]
    /// Maximum length of the address to which a log-in leads, in bytes.
    static let nextLimit = 1_000

    private let policy: ViewerPolicy
    private let attempts = Mutex(LoginAttempts())

    init(_ policy: ViewerPolicy) { self.policy = policy }

    /// Answers a POST; `nil` for another path. Never blocks.
    func respond(to request: HTTPRequest, isTLS: Bool) -> HTTPResponse? {
        guard let body = request.body, Login.posts[request.path] != nil else { return nil }
        guard Login.isSameOrigin(request) else {
            return .text("403: the form of another site\n", status: 403)
        }
        let isSecure = isTLS || request.headers["x-forwarded-proto"]?.lowercased() == "https"
        guard request.path == Login.path else {
            return Login.redirect(to: "/", cookie: Login.cookie("", seconds: 0, isSecure: isSecure))
        }
        let form = FormFields(body)
        let next = Login.localPath(form["next"] ?? "/")
        // A text for programs, the page for people.
        let isPerson = request.headers["accept"]?.contains("text/html") == true
        let again = "\(Login.path)?next=\(FormFields.encode(next))"
        let address = request.peer?.network
        guard attempts.withLock({ $0.permits(address, nowMs: SystemClock.monotonicMs()) }) else {
            if isPerson { return Login.redirect(to: again + "&busy=1") }
            var response = HTTPResponse.text("429: too many log-ins failed: wait a minute\n", status: 429)
            response.headers = [("Retry-After", "60"), ("Cache-Control", "no-store")]
            return response
        }
        let token = Login.trimmed(form["token"] ?? "")
        guard let found = policy.check(token) else {
            attempts.withLock { $0.failed(address, nowMs: SystemClock.monotonicMs()) }
            return isPerson ? Login.redirect(to: again + "&failed=1") : Denial.tokenNeeded
        }
        return Login.redirect(to: next, cookie: Login.cookie(token, seconds: found.seconds, isSecure: isSecure))
    }

    /// Returns the redirection of a page that needs a token. The log-in leads back to its address.
    static func redirect(toLoginFrom request: HTTPRequest) -> HTTPResponse {
        let query = request.query.sorted { $0.key < $1.key }
            .map { "\(FormFields.encode($0.key))=\(FormFields.encode($0.value))" }.joined(separator: "&")
        let path = FormFields.encode(request.path, keeping: "/")
        let whole = query.isEmpty ? path : path + "?" + query
        // A longer address would not be accepted as `next`.
        let next = whole.utf8.count <= nextLimit ? whole : path
        return redirect(to: "\(Login.path)?next=\(FormFields.encode(next))")
    }

    private static func redirect(to location: String, cookie: String? = nil) -> HTTPResponse {
        var response = HTTPResponse.text("303: see \(location)\n", status: 303)
        response.headers =
            [("Location", location), ("Cache-Control", "no-store")] + (cookie.map { [("Set-Cookie", $0)] } ?? [])
        return response
    }

    private static func cookie(_ token: String, seconds: Int, isSecure: Bool) -> String {
        "\(ViewerPolicy.cookie)=\(token); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict"
            + (isSecure ? "; Secure" : "")
    }

    /// Returns whether a form was sent by a page of this server. Programs that are no browser send no Origin.
    ///
    /// A browser sets `Sec-Fetch-Site` itself. It sends `X-Forwarded-Host` to another site only if that permits it.
    private static func isSameOrigin(_ request: HTTPRequest) -> Bool {
        guard let origin = request.headers["origin"] else { return true }
        if request.headers["sec-fetch-site"] == "same-origin" { return true }
        guard let scheme = origin.firstIndex(of: ":"), origin[scheme...].hasPrefix("://") else { return false }
        let host = origin[scheme...].dropFirst(3).lowercased()
        return [request.headers["host"], request.headers["x-forwarded-host"]].contains { $0?.lowercased() == host }
    }

    /// Returns a path of this server, for a redirection; `/` for anything else, such as `//HOST`.
    static func localPath(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.count <= nextLimit, bytes.first == 47, bytes.count < 2 || bytes[1] != 47,
            bytes.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 92 && $0 != 34 })
        else {
            // A name of a zone may have any character: it is encoded.
            return bytes.count <= nextLimit && bytes.first == 47 && !text.hasPrefix("//") && !text.contains("\\")
                ? FormFields.encode(text, keeping: "/") : "/"
        }
        return text
    }

    private static func trimmed(_ text: String) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// Failed log-ins by address. Their limit keeps a client from trying many tokens. Pure.
struct LoginAttempts: Sendable {
    /// Failures that an address may have within a window.
    static let limit = 10
    /// Length of a window, in milliseconds.
    static let windowMs: Int64 = 60_000
    /// Addresses that are remembered. The oldest is dropped.
    static let addressLimit = 1_000

    private var windows: [IPAddress?: (count: Int, sinceMs: Int64)] = [:]

    /// Number of addresses that are remembered.
    var count: Int { windows.count }

    /// Returns whether an address may log in.
    func permits(_ address: IPAddress?, nowMs: Int64) -> Bool {
        guard let window = windows[address], nowMs - window.sinceMs < Self.windowMs else { return true }
        return window.count < Self.limit
    }

    /// Counts a failure.
    mutating func failed(_ address: IPAddress?, nowMs: Int64) {
        if let window = windows[address], nowMs - window.sinceMs >= Self.windowMs { windows[address] = nil }
        if windows[address] == nil, windows.count >= Self.addressLimit,
            let oldest = windows.min(by: { $0.value.sinceMs < $1.value.sinceMs })
        {
            windows[oldest.key] = nil
        }
        windows[address, default: (0, nowMs)].count += 1
    }
}
