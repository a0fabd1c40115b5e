import CLI
package import HTTPServer
import LinuxSystem
package import Runtime

/// The center's pages (SPEC.md section 7): health, metrics and the snapshot files. The live wall comes with its own issue.
package struct CenterEndpoints: Sendable {
    /// What is not as it should be, each a name and what is wrong with it; empty when all is well.
    package typealias Readiness = @Sendable () -> [(name: String, problem: String)]

    /// Four for each connection of the server, as it counts. systemd allows so many, and by default only 1,024.
    private static let openFiles = 4 * HTTPListener.Limits().connections
    /// How often it is looked for connections that only hold a place.
    private static let stalledMs = 5_000

    private let metrics: Metrics
    private let snapshots: String?
    private let readiness: Readiness

    /// - Parameters:
    ///   - snapshots: the folder of the snapshot files; nil serves none.
    ///   - readiness: asked at each `/readyz`; answers from memory.
    package init(metrics: Metrics, snapshots: String?, readiness: @escaping Readiness) {
        (self.metrics, self.snapshots, self.readiness) = (metrics, snapshots, readiness)
    }

    /// Listens until it is told to stop. An address that cannot be bound ends the daemon.
    package func service(_ address: HTTPAddress) -> Service {
        Service.thread("http") { stop in
            ProcessLimits.raiseOpenFiles(to: CenterEndpoints.openFiles)
            let server: HTTPListener
            do { server = try HTTPListener(address) { answer($0) } } catch {
                throw ProgramError.failed("\(error)")
            }
            Log("http").info("listening", [.host: address.host, .port: server.port])
            while !stop.wait(ms: CenterEndpoints.stalledMs) { server.closeStalled() }
            server.stop()
        }
    }

    /// The answer to one request. Never waits.
    package func answer(_ request: HTTPRequest) -> HTTPResponse {
        switch request.path {
        case "/": HTTPResponse.text(CenterEndpoints.start, contentType: "text/html; charset=utf-8")
        case "/healthz": .text("alive\n")
        case "/readyz": ready()
        case "/metrics": .text(metrics.render(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        default: snapshot(request.path) ?? .text("404: nothing here\n", status: 404)
        }
    }

    private func ready() -> HTTPResponse {
        let problems = readiness()
        guard !problems.isEmpty else { return .text("ready\n") }
        return .text(problems.map { "\($0.name): \($0.problem)\n" }.joined(), status: 503)
    }

    private func snapshot(_ path: String) -> HTTPResponse? {
        guard let folder = snapshots, path.hasPrefix("/snapshot/") else { return nil }
        let name = String(path.dropFirst("/snapshot/".count))
        guard let type = SnapshotName.contentType(of: name) else { return nil }
        let opened: HTTPFile?
        do {
            opened = try HTTPFile(path: folder + "/" + name)
        } catch {
            // To a scanner 404 would mean that it is gone for good.
            return .text("503: it cannot be read now\n", status: 503)
        }
        guard let file = opened else { return nil }
        // Names of versions never get other bytes; the manifest is asked for again each time.
        let caching = name.hasPrefix("manifest") ? "no-cache" : "public, max-age=86400, immutable"
        return HTTPResponse(contentType: type, body: .file(file), headers: [("Cache-Control", caching)])
    }

    private static let start = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Tapline</title>
        <h1>Tapline command center</h1>
        <p>The numbers are in PostgreSQL: run the scripts in <code>dashboards/</code> with psql, or query the views of the
        schema <code>tapline</code>.</p>
        <ul><li><a href="/readyz">readyz</a>: are broker and database connected?</li>
        <li><a href="/metrics">metrics</a>: counters for Prometheus</li>
        <li><a href="/snapshot/manifest.json">snapshot/manifest.json</a>: the newest snapshot of the registration list</li></ul>
        </html>

        """
}

/// Which names of the snapshot folder the world may read: nothing temporary, nothing outside, no key by accident.
enum SnapshotName {
    private static let suffixes = [
        ".sqlite": "application/vnd.sqlite3", ".sqlite.gz": "application/gzip",
        ".changeset": "application/octet-stream", ".changeset.gz": "application/gzip",
    ]

    /// Nil for a name that is not served.
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
