internal import HTTPClient
public import Runtime
public import Snapshots
internal import Zlib

/// Brings the newest snapshot from the center, or from a folder, and installs it. Independent of the upload, on a thread of
/// its own; what is not good leaves the present snapshot in force.
public final class Download {
    public struct Settings: Sendable {
        /// The scanner's data folder.
        public var folder: String
        /// `http://center:8080`; the files are below `/snapshot/`.
        public var centerURL: String
        public var keys: [MinisignPublicKey]
        /// The center is asked this often, give or take a fifth, so that a fleet does not ask in step.
        public var intervalMs = 30_000
        /// PEM bundle; nil: the system's.
        public var authorityFile: String?
        /// Manifest and signature, or a file, that do not match are fetched again this often.
        public var retries = 3
        /// ... after this pause: a publication takes a moment.
        public var retryMs = 1_000

        public init(folder: String, centerURL: String, keys: [MinisignPublicKey]) {
            (self.folder, self.centerURL, self.keys) = (folder, centerURL, keys)
        }
    }

    public enum Outcome: Sendable, Equatable {
        case installed(version: Int64)
        /// What is here is what is offered, or newer.
        case newest(version: Int64)
        /// An older one is offered than was installed here once: a center restored from a backup, an old stick.
        case older(offered: Int64, highest: Int64)
    }

    private let settings: Settings
    private let status: PublisherStatus?
    private let store: SnapshotStore
    private let client: HTTPClient
    private let log = Log("download")
    /// Of the manifest whose snapshot is in force.
    private var manifestTag: String?

    public init(_ settings: Settings, _ status: PublisherStatus? = nil) {
        (self.settings, self.status) = (settings, status)
        store = SnapshotStore(folder: settings.folder + "/snapshots")
        var http = HTTPClient.Settings()
        http.authorityFile = settings.authorityFile
        http.userAgent = "tapline-publisher/\(Program.version)"
        client = HTTPClient(http)
    }

    /// Asks again and again until stopped; failures are logged and retried with back-off.
    public func run(_ stop: StopSignal) {
        var backoff = Backoff(baseMs: 1_000, capMs: max(1_000, settings.intervalMs))
        var lastTrouble = ""
        while !stop.isStopped {
            var pauseMs = Int.random(in: settings.intervalMs * 4 / 5...settings.intervalMs * 6 / 5)
            do {
                let outcome = try fetch(stop)
                backoff.reset()
                lastTrouble = ""
                status?.update { report in
                    report.download.lastChecked = PublisherStatus.now()
                    report.download.lastError = nil
                    if case .installed(let version) = outcome { report.download.installed = version }
                }
            } catch {
                if stop.isStopped { return }
                pauseMs = min(pauseMs, backoff.nextDelayMs() + 500)
                status?.update { $0.download.lastError = "\(error)" }
                // A night without network is not a night of log lines.
                if "\(error)" != lastTrouble { log.warning("no snapshot from the center: later", [.error: "\(error)"]) }
                lastTrouble = "\(error)"
            }
            stop.wait(ms: pauseMs)
        }
    }

    /// Asks the center once, and installs what it has if that is newer.
    ///
    /// Throws `ProgramError`: unreachable for a center that cannot be reached or has a fault of its own, failed for one
    /// without a snapshot and for a snapshot that is refused.
    public func fetch(_ stop: StopSignal = StopSignal()) throws -> Outcome {
        try attempts(stop) {
            guard let (manifest, signature, tag) = try fetchManifest(stop) else {
                return .newest(version: store.currentVersion() ?? 0)
            }
            let outcome = try install(manifest, signature) { try fetchFile(of: $0, stop) }
            manifestTag = tag
            return outcome
        }
    }

    /// The same from a folder or a stick.
    ///
    /// Throws `ProgramError`: failed where nothing is there, or it is refused.
    public func install(from folder: String) throws -> Outcome {
        do {
            // Tried again like a download: the folder may be a center's, which writes to it just now.
            return try attempts(StopSignal()) {
                try install(
                    Files.read(folder + "/" + Manifest.fileName, limit: Manifest.maxBytes),
                    Files.read(folder + "/" + Manifest.signatureFileName, limit: Manifest.maxBytes)
                ) { manifest in
                    let path = store.candidatePath(for: manifest)
                    try Files.remove(path)
                    if let package = manifest.compressed, !Files.exists(folder + "/" + manifest.file) {
                        try Gzip.expand(folder + "/" + package.file, to: path, limitBytes: Int(manifest.size))
                    } else {
                        try Files.copy(folder + "/" + manifest.file, to: path)
                    }
                }
            }
        } catch let error as ProgramError {
            throw error
        } catch { throw ProgramError.failed("\(error)") }
    }

    // MARK: Steps

    /// Runs `body`, and again after a refusal that another try may mend.
    private func attempts(_ stop: StopSignal, _ body: () throws -> Outcome) throws -> Outcome {
        var left = settings.retries
        while true {
            do {
                return try body()
            } catch let refusal as SnapshotRefusal {
                guard refusal.isRetriable, left > 0, !stop.wait(ms: settings.retryMs) else {
                    throw ProgramError.failed("\(refusal)")
                }
                left -= 1
                log.warning("fetching the snapshot again", [.reason: refusal.reason.rawValue, .detail: refusal.detail])
            } catch let error as HTTPClientError {
                throw error.kind == .file
                    ? ProgramError.failed("\(error)") : ProgramError.unreachable("\(error)")
            }
        }
    }

    private func install(
        _ manifest: [UInt8], _ signature: [UInt8], bring file: (Manifest) throws -> Void
    ) throws -> Outcome {
        let offer: SnapshotOffer
        do {
            offer = try store.offer(manifest: manifest, signature: signature, keys: settings.keys)
        } catch let refusal where refusal.reason == .notNewer {
            guard let offered = try? Manifest(json: manifest).version, let highest = store.highestVersion,
                offered < highest
            else { throw refusal }
            log.warning("an older snapshot is offered than was installed here", [.version: offered])
            return .older(offered: offered, highest: highest)
        }
        if offer.isInstalled { return .newest(version: offer.manifest.version) }
        try Files.makeFolder(store.folder)
        try file(offer.manifest)
        do {
            let version = try store.install(offer, file: store.candidatePath(for: offer.manifest))
            log.info("snapshot installed", [.version: version, .count: offer.manifest.attendees])
            return .installed(version: version)
        } catch let refusal as SnapshotRefusal {
            // Never resumed: nobody knows which byte is wrong.
            try Files.remove(store.candidatePath(for: offer.manifest))
            throw refusal
        }
    }

    /// Nil when the manifest has not changed since its snapshot came into force.
    private func fetchManifest(_ stop: StopSignal) throws -> (manifest: [UInt8], signature: [UInt8], tag: String?)? {
        let manifest = try get(Manifest.fileName, ifNoneMatch: manifestTag, stop)
        if manifest.status == 304 { return nil }
        let signature = try get(Manifest.signatureFileName, ifNoneMatch: nil, stop)
        return (manifest.body, signature.body, manifest.etag)
    }

    private func get(_ name: String, ifNoneMatch: String?, _ stop: StopSignal) throws -> HTTPResponse {
        let response = try client.get(
            url(name), ifNoneMatch: ifNoneMatch, limitBytes: Manifest.maxBytes, isStopped: { stop.isStopped })
        try check(response, name)
        return response
    }

    private func check(_ response: HTTPResponse, _ name: String) throws {
        switch response.status {
        case 200, 206, 304: return
        case 404: throw ProgramError.failed("the center has no \(name): no snapshot was exported yet")
        case let status: throw ProgramError.unreachable("GET \(url(name)): HTTP status \(status)")
        }
    }

    /// The snapshot's file at its candidate path: expanded, not verified.
    private func fetchFile(of manifest: Manifest, _ stop: StopSignal) throws {
        let path = store.candidatePath(for: manifest)
        guard let package = manifest.compressed, package.size <= SnapshotVerification.maxBytes else {
            return try fetchResuming(manifest.file, to: path, size: manifest.size, stop)
        }
        let packed = store.folder + "/download-\(manifest.version).gz"
        try fetchResuming(package.file, to: packed, size: package.size, stop)
        do {
            guard try Files.sha256Hex(packed) == package.sha256 else {
                throw SnapshotRefusal(.hash, "\(package.file) is not what the manifest says")
            }
            try Files.remove(path)
            try Gzip.expand(packed, to: path, limitBytes: Int(manifest.size))
        } catch {
            try Files.remove(packed)
            if let error = error as? GzipError { throw SnapshotRefusal(.damaged, error.description) }
            throw error
        }
    }

    /// Continues what an earlier attempt, or an earlier life, has brought.
    private func fetchResuming(_ name: String, to path: String, size: Int64, _ stop: StopSignal) throws {
        let tagPath = path + ".etag"
        if let there = Files.status(path), there.size == Int(size), Files.exists(tagPath) { return }
        let response = try client.download(
            url(name), to: path, etag: try? Files.readText(tagPath, limit: 1_024), limitBytes: Int(size),
            onETag: { tag in
                // Without an ETag, or a strong one, there is nothing to continue by.
                let text = tag.map { $0.hasPrefix("W/") ? "" : $0 } ?? ""
                if text.isEmpty || (try? Files.writeAtomically(Array(text.utf8), to: tagPath, durable: false)) == nil {
                    try? Files.remove(tagPath)
                }
            }, isStopped: { stop.isStopped })
        if response.status == 416 {
            try Files.remove(path)
            try Files.remove(tagPath)
        }
        try check(response, name)
        guard response.fileBytes == Int(size) else {
            try Files.remove(path)
            throw SnapshotRefusal(.size, "\(name) has \(response.fileBytes) bytes, the manifest says \(size)")
        }
    }

    private func url(_ name: String) -> String {
        var base = settings.centerURL[...]
        while base.last == "/" { base.removeLast() }
        return base + "/snapshot/" + name
    }
}
