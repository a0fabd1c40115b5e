package import HTTPServer
import LinuxSystem
package import Runtime

/// The HTTP endpoints of the center (contract.md section 7): health, metrics and the snapshot files.
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
    private let snapshots: String?
    private let enrolment: Enrolment?
    private let admits: Admission
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
    ///   - readiness: called for each `/readyz`. It must not block.
    package init(
        metrics: Metrics, snapshots: String?, admits: @escaping Admission = { _ in false },
        enrolment: Enrolment? = nil, readiness: @escaping Readiness
    ) {
        self.metrics = metrics
        self.snapshots = snapshots
        self.admits = admits
        self.enrolment = enrolment
        self.readiness = readiness
        rejected = metrics.counter(
            "tapline_http_unauthorized_total", "Requests for snapshots without a valid token, from other machines.")
    }

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
            let server = try HTTPListener(
                address, certificate: loaded?.certificate, posts: enrolment?.posts ?? [:]
            ) { respond(to: $0) }
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

    /// Returns the response to one request. Never blocks.
    package func respond(to request: HTTPRequest) -> HTTPResponse {
        switch request.path {
        case "/": HTTPResponse.text(CenterEndpoints.startPage, contentType: "text/html; charset=utf-8")
        case "/healthz": .text("alive\n")
        case "/readyz": readyz(isLocal: request.isLocal)
        case "/metrics": .text(metrics.render(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        default:
            enrolment?.respond(request) ?? snapshotFile(request) ?? .text("404: not found\n", status: 404)
        }
    }

    /// Problems name users, hosts and ports, which other machines do not get.
    private func readyz(isLocal: Bool) -> HTTPResponse {
        let problems = readiness()
        guard !problems.isEmpty else { return .text("ready\n") }
        let lines = problems.map { "\($0.name): \(isLocal ? $0.problem : "not ready")\n" }
        return .text(lines.joined(), status: 503)
    }

    private func snapshotFile(_ request: HTTPRequest) -> HTTPResponse? {
        guard let folder = snapshots, request.path.hasPrefix("/snapshot/") else { return nil }
        // Before the file is looked for: without a token all names have the same answer.
        guard request.isLocal || request.bearerToken.map(admits) == true else {
            rejected.add()
            var response = HTTPResponse.text("401: a token is required\n", status: 401)
            response.headers = [("WWW-Authenticate", "Bearer")]
            return response
        }
        let name = String(request.path.dropFirst("/snapshot/".count))
        guard let type = SnapshotName.contentType(of: name) else { return nil }
        let opened: HTTPFile?
        do {
            opened = try HTTPFile(path: folder + "/" + name)
        } catch {
            // Not 404: a scanner would take it as permanent.
            return .text("503: the file cannot be read\n", status: 503)
        }
        guard let file = opened else { return nil }
        // A version's file never changes. The manifest is revalidated for each request. `private`: a shared cache would
        // serve the files without a token.
        let caching = name.hasPrefix("manifest") ? "no-cache" : "private, max-age=86400, immutable"
        return HTTPResponse(contentType: type, body: .file(file), headers: [("Cache-Control", caching)])
    }

    private static let startPage = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Tapline</title>
        <h1>Tapline command center</h1>
        <p>The figures are in PostgreSQL: run the scripts in <code>dashboards/</code> with psql, or query the views of
        the schema <code>tapline</code>.</p>
        <ul><li><a href="/readyz">readyz</a>: state of the broker and database connections</li>
        <li><a href="/metrics">metrics</a>: metrics for Prometheus</li>
        <li><a href="/snapshot/manifest.json">snapshot/manifest.json</a>: the newest snapshot of the registration
        list</li></ul>
        </html>

        """
}

/// The names in the snapshot folder that clients may read: no temporary file, no key, nothing outside of the folder.
enum SnapshotName {
    private static let suffixes = [
        ".sqlite": "application/vnd.sqlite3", ".sqlite.gz": "application/gzip",
        ".changeset": "application/octet-stream", ".changeset.gz": "application/gzip",
    ]

    /// Returns the content type of a file; `nil` if clients may not read it.
    static func contentType(of name: String) -> String? {
        if name == "manifest.json" { return "application/json" }
        if name == "manifest.json.minisig" { return "text/plain; charset=utf-8" }
        guard let prefix = ["snapshot-", "delta-"].first(where: name.hasPrefix) else { return nil }
        let rest = name.dropFirst(prefix.count)
        let numbers = rest.prefix { $0.isASCII && ($0.isNumber || $0 == "-") }
        guard !numbers.isEmpty else { return nil }
        return suffixes[String(rest.dropFirst(numbers.count))]
    }
}
