package import HTTPServer
import LinuxSystem
package import Runtime
import ViewerAccess

/// The HTTP endpoints of the center (contract.md section 7): the wall, health, metrics and the snapshot files.
package struct CenterEndpoints: Sendable {
    /// Returns the current problems, each with the name of the component; empty if the center is ready.
    package typealias Readiness = @Sendable () -> [(name: String, problem: String)]
    /// Returns whether a token is that of a scanner that is enrolled and enabled. It must not block.
    package typealias Admission = @Sendable (_ token: String) -> Bool

    /// Descriptor limit to request: the HTTP server uses at most a quarter of it. systemd permits this many, although
    /// its default is 1,024.
    private static let openFiles = 4 * HTTPListener.Limits().connections
    /// Interval at which stalled connections are closed and suspended requests are answered, in milliseconds.
    private static let stalledCheckMs = 1_000

    /// Answers the requests of devices that enrol, by path; `nil` for another path.
    package struct Enrolment: Sendable {
        let posts: [String: Int]
        let respond: @Sendable (HTTPRequest) -> HTTPResponse?

        /// - Parameters:
        ///   - posts: paths that accept POST, with the maximum size of the body, in bytes.
        ///   - respond: answers a request; `nil` if the path is another one. It must not block.
        package init(posts: [String: Int], respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse?) {
            self.posts = posts
            self.respond = respond
        }
    }

    private let metrics: Metrics
    private let snapshots: SnapshotFiles
    private let enrolment: Enrolment?
    private let admits: Admission
    private let pages: [String: Page]
    private let live: LiveEndpoints?
    private let people: PeopleEndpoints?
    private let viewers: ViewerPolicy
    private let login: Login
    private let readiness: Readiness
    private let rejected: Counter
    private let certificateExpiry = Gauge()

    /// Creates the endpoints. They are served once `service(_:)` runs.
    ///
    /// - Parameters:
    ///   - metrics: rendered by `/metrics`.
    ///   - snapshots: the folder of the snapshot files; `nil` disables `/snapshot/`.
    ///   - admits: called for each `/snapshot/` of another machine, with its bearer token. It must not block.
    ///   - enrolment: answers the requests of devices that enrol; `nil` disables them.
    ///   - pages: pages of the wall by path. `/zone/` is the page of every `/zone/NAME`.
    ///   - live: states of the wall; `nil` disables `/api/live` and `/api/fleet`.
    ///   - people: search for people; `nil` disables `/api/people`.
    ///   - viewers: who may see the counts and the names.
    ///   - readiness: called for each `/readyz`. It must not block.
    package init(
        metrics: Metrics, snapshots: String?, admits: @escaping Admission = { _ in false },
        enrolment: Enrolment? = nil, pages: [String: Page] = [:], live: LiveEndpoints? = nil,
        people: PeopleEndpoints? = nil, viewers: ViewerPolicy = ViewerPolicy(), readiness: @escaping Readiness
    ) {
        self.metrics = metrics
        self.snapshots = SnapshotFiles(folder: snapshots)
        self.admits = admits
        self.enrolment = enrolment
        self.pages = pages
        self.live = live
        self.people = people
        self.viewers = viewers
        login = Login(viewers)
        self.readiness = readiness
        rejected = metrics.counter(
            "tapline_http_unauthorized_total", "Requests for snapshots without a valid token, from other machines.")
    }

    /// Paths that accept POST, with the maximum size of the body, in bytes.
    package var posts: [String: Int] { Login.posts.merging(enrolment?.posts ?? [:]) { $1 } }

    /// Returns the service that listens on an address until it is stopped.
    ///
    /// The service throws `HTTPServerError` if it cannot listen there, and `ServerCertificateError`. With a certificate
    /// it serves TLS, and reads the files again when they change and after SIGHUP.
    ///
    /// - Parameters:
    ///   - address: port 0 selects a free port.
    ///   - files: the certificate; `nil` for plain HTTP.
    package func service(_ address: HTTPAddress, _ files: ServerCertificateFiles? = nil) -> Service {
        Service.thread("http") { stop in
            ProcessLimits.raiseOpenFiles(to: CenterEndpoints.openFiles)
            // From here on SIGHUP does not end the process.
            let descriptors = [stop.descriptor] + (files == nil ? [] : [ReloadSignal.descriptor])
            var watch = files.map(ServerCertificateWatch.init)
            let loaded = try files?.load()
            let isTLS = files != nil
            let server = try HTTPListener(address, certificate: loaded?.certificate, posts: posts) {
                respond(to: $0, isTLS: isTLS)
            }
            show(server)
            let reach = address.isLoopback ? "reachable from this machine only" : "reachable from other machines"
            Log("http").info(
                "listening",
                [
                    .host: address.host.isEmpty ? "all addresses" : address.host, .port: server.port,
                    .detail: (loaded == nil ? "" : "TLS, ") + reach,
                ])
            if let loaded { show(expiresS: loaded.expiresS) }
            while !stop.isStopped {
                _ = Poll.wait(descriptors, timeoutMs: CenterEndpoints.stalledCheckMs)
                server.closeStalled()
                let isForced = files != nil && ReloadSignal.take()
                if let expiresS = watch?.reload(server, isForced: isForced) { show(expiresS: expiresS) }
            }
            server.stop()
        }
    }

    /// Shows the end of validity of the certificate as a metric, once there is one.
    private func show(expiresS: Int64) {
        if certificateExpiry.value == 0 {
            metrics.computed(
                "tapline_http_certificate_expires_timestamp_seconds",
                "Time at which the certificate of the HTTP server expires."
            ) { [certificateExpiry] in Double(certificateExpiry.value) }
        }
        certificateExpiry.set(Int(expiresS))
    }

    /// Shows the connections and the responses of the server as metrics.
    private func show(_ server: HTTPListener) {
        let traffic = server.traffic
        metrics.table("tapline_http_responses_total", "HTTP responses by status.", type: .counter) {
            traffic.responses.sorted { $0.key < $1.key }.map { ([("code", "\($0.key)")], Double($0.value)) }
        }
        metrics.computed("tapline_http_connections", "Open HTTP connections.") { Double(traffic.connections) }
        guard let live else { return }
        metrics.computed("tapline_http_streams", "Open event streams of the wall.") { Double(live.hub.readers) }
        metrics.table(
            "tapline_http_frames_skipped_total",
            "States that event streams did not send, because their readers are slow.", type: .counter
        ) { [([], Double(live.hub.skipped))] }
    }

    /// Returns the response to one request. Never blocks.
    ///
    /// - Parameters:
    ///   - request: the request.
    ///   - isTLS: whether the connection is encrypted, so that a cookie is sent over such ones only.
    package func respond(to request: HTTPRequest, isTLS: Bool = false) -> HTTPResponse {
        switch request.path {
        case "/healthz": .text("alive\n")
        case "/readyz": readyz(isLocal: request.isLocal)
        case "/metrics": viewers.role(of: request) == nil ? Denial.tokenNeeded : metricsPage()
        default:
            login.respond(to: request, isTLS: isTLS) ?? page(request) ?? api(request) ?? enrolment?.respond(request)
                ?? snapshotFile(request) ?? .text("404: not found\n", status: 404)
        }
    }

    private func metricsPage() -> HTTPResponse {
        var response = HTTPResponse.text(
            metrics.render(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        response.headers = [("Cache-Control", "no-store")]
        return response
    }

    private func page(_ request: HTTPRequest) -> HTTPResponse? {
        let path = request.path.hasPrefix("/zone/") ? "/zone/" : request.path
        guard request.body == nil, let page = pages[path] else { return nil }
        // The page holds no data, but a person needs a token for them.
        let needsToken = page.isDocument && path != Login.path && viewers.role(of: request) == nil
        return needsToken ? Login.redirect(toLoginFrom: request) : page.response(to: request)
    }

    /// Answers `/api/`. Paths of people that do not exist are denied like those that do.
    private func api(_ request: HTTPRequest) -> HTTPResponse? {
        guard request.path.hasPrefix("/api/") else { return nil }
        guard let role = viewers.role(of: request) else { return Denial.tokenNeeded }
        guard request.path.hasPrefix("/api/people") else {
            return live?.respond(to: request, permits: viewers.permit(of: request))
        }
        guard role == .names else {
            return viewers.token(of: request) == nil ? Denial.tokenNeeded : Denial.roleNeeded
        }
        return people?.respond(to: request)
    }

    /// Problems name users, hosts and ports, which other machines do not get.
    private func readyz(isLocal: Bool) -> HTTPResponse {
        let problems = readiness()
        guard !problems.isEmpty else { return .text("ready\n") }
        let lines = problems.map { "\($0.name): \(isLocal ? $0.problem : "not ready")\n" }
        return .text(lines.joined(), status: 503)
    }

    private func snapshotFile(_ request: HTTPRequest) -> HTTPResponse? {
        guard snapshots.covers(request.path) else { return nil }
        // Before the file is looked for: without a token all names have the same answer.
        guard request.isLocal || request.bearerToken.map(admits) == true else {
            rejected.add()
            return Denial.tokenNeeded
        }
        return snapshots.response(request.path)
    }
}
