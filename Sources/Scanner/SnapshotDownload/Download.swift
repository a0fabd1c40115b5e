import Compression
package import DataFolder
import FileSystem
import HTTPClient
import LinuxSystem
package import Minisign
package import Runtime
import SnapshotInstall
import Snapshots

/// Brings the newest snapshot from the center, from a mirror, or from a folder, and installs it. Independent of the upload,
/// on a thread of its own; what is not good leaves the present snapshot in force.
///
/// `DownloadPlan` decides what is fetched and when, `SnapshotStore` what is installed; this class fetches.
package final class Download {
    package struct Settings: Sendable {
        /// The scanner's data folder.
        package var folder: String
        /// `http://center:8080`; the files are below `/snapshot/`. All are asked, and the newest is fetched from those
        /// that have it; mirrors need not be trusted.
        package var centerURLs: [String]
        package var keys: [MinisignPublicKey]
        /// The center is asked this often, give or take a fifth, so that a fleet does not ask in step.
        package var intervalMs = 30_000
        /// PEM bundle; nil: the system's.
        package var authorityFile: String?
        /// Manifest and signature that do not match are fetched again this often, and once at most a delta, or a full file
        /// of which a part had come before.
        package var retries = 3
        /// ... after this pause: a publication takes a moment.
        package var retryMs = 1_000

        package init(folder: String, centerURLs: [String], keys: [MinisignPublicKey]) {
            (self.folder, self.centerURLs, self.keys) = (folder, centerURLs, keys)
        }
    }

    package enum Outcome: Sendable, Equatable {
        case installed(version: Int64)
        /// What is here is what is offered, or newer.
        case newest(version: Int64)
        /// An older one is offered than was installed here once: a center restored from a backup, an old stick.
        case older(offered: Int64, highest: Int64)
        /// A newer one is offered, and this scanner's turn to fetch it has not come. Only while running.
        case waiting(version: Int64, ms: Int)
    }

    let settings: Settings
    let status: PublisherStatus?
    let store: SnapshotStore
    let client: HTTPSession
    let log = Log("download")
    var plan: DownloadPlan
    var sources: [DownloadSource]
    /// A full file whose fetching has begun: it is brought to its end although a newer one is out, or a slow link would
    /// never bring any.
    var begun: DownloadSource.Known?
    /// Of sources that failed in this look.
    var troubles: [any Error] = []
    private var lastTrouble: String?

    package init(_ settings: Settings, _ status: PublisherStatus? = nil) {
        (self.settings, self.status) = (settings, status)
        store = SnapshotStore(folder: settings.folder + "/snapshots")
        plan = DownloadPlan(intervalMs: settings.intervalMs)
        sources = settings.centerURLs.map { DownloadSource($0) }
        var http = HTTPSession.Settings()
        http.authorityFile = settings.authorityFile
        http.userAgent = "tapline-publisher/\(Software.version)"
        client = HTTPSession(http)
    }

    /// Asks again and again until stopped; failures are logged and retried with back-off.
    package func run(_ stop: StopSignal) {
        var random = SystemRandomNumberGenerator()
        var backoff = Backoff(baseMs: 1_000, capMs: max(1_000, settings.intervalMs))
        var pauseMs = DownloadPlan.firstLookMs(
            hasSnapshot: store.current() != nil, intervalMs: settings.intervalMs, using: &random)
        while !stop.wait(ms: pauseMs) {
            pauseMs = plan.pauseMs(using: &random)
            do {
                let outcome = try look(stop, isPatient: true)
                backoff.reset()
                if case .waiting(_, let ms) = outcome { pauseMs = min(pauseMs, ms) }
                tell(outcome)
            } catch {
                if stop.isStopped { return }
                pauseMs = min(pauseMs, backoff.nextDelayMs() + 500)
                tell("\(error)")
            }
        }
    }

    private func tell(_ outcome: Outcome) {
        var due: String?
        if case .waiting(let version, let ms) = outcome {
            due = "\(version) at \(UTCTime.text(microseconds: SystemClock.nowMicroseconds() + 1_000 * Int64(ms)))"
        }
        status?.update { report in
            (report.download.lastChecked, report.download.due) = (PublisherStatus.now(), due)
        }
        if case .older(let offered, let highest) = outcome {
            tell(
                "version \(offered) is offered, and \(highest) was before: a center restored from a backup, or an old copy"
            )
        } else if !troubles.isEmpty {
            tell(troubleText)
        } else {
            lastTrouble = nil
            status?.update { $0.download.lastError = nil }
        }
    }

    /// A night without network is not a night of log lines.
    private func tell(_ trouble: String) {
        status?.update { $0.download.lastError = trouble }
        if trouble != lastTrouble { log.warning("no snapshot from the center: later", [.error: trouble]) }
        lastTrouble = trouble
    }

    /// Asks the center once, and installs what it has if that is newer.
    ///
    /// Throws `ProgramError`: unreachable for a center that cannot be reached or has a fault of its own, failed for one
    /// without a snapshot and for a snapshot that is refused.
    package func fetch(_ stop: StopSignal = StopSignal()) throws -> Outcome { try look(stop, isPatient: false) }

    /// The same from a folder or a stick; always the full file.
    ///
    /// Throws `ProgramError`: failed where nothing is there, or it is refused.
    package func install(from folder: String) throws -> Outcome {
        do {
            readFile()
            // Tried again: the folder may be a center's, which writes to it just now.
            return try attempts(settings.retries, StopSignal()) {
                let known = DownloadSource.Known(
                    manifest: try Files.read(folder + "/" + Manifest.fileName, limit: Manifest.maxBytes),
                    signature: try Files.read(folder + "/" + Manifest.signatureFileName, limit: Manifest.maxBytes))
                switch try judge(known) {
                case .nothing(let outcome): return outcome
                case .newer(let offer): return try install(offer) { try bring(offer.manifest, from: folder) }
                }
            }
        } catch { throw Download.programError(error) }
    }

    private func bring(_ manifest: Manifest, from folder: String) throws {
        let path = store.candidatePath(for: manifest)
        try Files.remove(path)
        if let package = manifest.compressed, !Files.exists(folder + "/" + manifest.file) {
            try Gzip.expand(folder + "/" + package.file, to: path, limitBytes: Int(manifest.size))
        } else {
            try Files.copy(folder + "/" + manifest.file, to: path)
        }
    }

    /// Reads the file in force for damage when that is due.
    func readFile() {
        let gate = GateState.read(folder: settings.folder)?.snapshot
        let isGateElsewhere = gate.map { $0 != store.currentVersion() } ?? false
        let nowMs = SystemClock.monotonicMs()
        if plan.isReadDue(isGateElsewhere: isGateElsewhere, nowMs: nowMs) {
            plan.read(isWhole: store.isWhole(), nowMs: nowMs)
        }
    }
}
