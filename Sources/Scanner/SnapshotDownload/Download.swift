import Compression
package import DataFolder
import ErrorModel
import FileSystem
import Glibc
import HTTPClient
import LinuxSystem
package import Minisign
package import Runtime
import SnapshotInstall
import Snapshots

/// Downloads and installs the newest snapshot from the center, a mirror or a folder.
///
/// Runs on a separate thread, independent of the upload. If a snapshot is refused, the current one stays installed.
/// `DownloadPlan` decides what is downloaded and when, `SnapshotStore` verifies and installs. This class transfers:
///
/// 1. `checkSources` (Download+Sources.swift) asks all sources for their manifest.
/// 2. `fetchAndInstall` (Download+Install.swift) chooses delta, partial download or full file.
/// 3. `transfer` (Download+Transfer.swift) downloads one file.
package final class Download {
    /// Sources, trust and timing of downloads.
    package struct Settings: Sendable {
        /// The scanner's data folder.
        package var folder: String
        /// Base URLs such as `http://center:8080`; the files are below `/snapshot/`. All are asked, and the newest
        /// snapshot is downloaded from those that have it. Mirrors need not be trusted.
        package var centerURLs: [String]
        /// The trusted keys.
        package var keys: [MinisignPublicKey]
        /// Interval of the checks in milliseconds, varied by a fifth so that a fleet does not ask in step.
        package var intervalMs = 30_000
        /// PEM bundle; `nil` for the system's certificate authorities.
        package var authorityFile: String?
        /// Token of this scanner, which a center on another machine wants; `nil` without one. All sources get it.
        package var token: String?
        /// Whether a snapshot of another event key than the one in use is refused.
        package var refusesOtherKey = false
        /// Number of repetitions if manifest and signature do not match. A delta, or a full file of which a part
        /// existed, is repeated at most once.
        package var retries = 3
        /// Pause before a repetition, in milliseconds, because a publication takes a moment.
        package var retryMs = 1_000

        /// Creates settings with the default timing.
        ///
        /// - Parameters:
        ///   - folder: the scanner's data folder.
        ///   - centerURLs: base URLs of the sources, at least one.
        ///   - keys: the trusted keys. A signature of any of them is accepted.
        package init(folder: String, centerURLs: [String], keys: [MinisignPublicKey]) {
            self.folder = folder
            self.centerURLs = centerURLs
            self.keys = keys
        }
    }

    /// The result of a check that did not fail.
    package enum Outcome: Sendable, Equatable {
        case installed(version: Int64)
        /// The installed snapshot is the newest one.
        case newest(version: Int64)
        /// The offered snapshot is older than one that was installed here: the center was restored from a backup, or
        /// the folder is an old copy.
        case older(offered: Int64, highest: Int64)
        /// A newer snapshot is offered, and this scanner's turn to download it comes in `ms` milliseconds. Only from
        /// `run`.
        case waiting(version: Int64, ms: Int)
    }

    let settings: Settings
    let status: PublisherStatus?
    let store: SnapshotStore
    let client: HTTPSession
    let log = Log("download")
    var plan: DownloadPlan
    var sources: [DownloadSource]
    /// The manifest of a full file whose download has started.
    var partialDownload: DownloadSource.SignedManifest?
    /// The failures of sources in the current check.
    var failures: [DownloadError] = []
    private var lastProblem: String?

    /// - Parameter status: receives the progress; `nil` for a single download.
    package init(_ settings: Settings, _ status: PublisherStatus? = nil) {
        self.settings = settings
        self.status = status
        store = SnapshotStore(folder: DataFolderPaths.snapshots(settings.folder))
        plan = DownloadPlan(intervalMs: settings.intervalMs)
        sources = settings.centerURLs.map { DownloadSource($0) }
        var http = HTTPSession.Settings()
        http.authorityFile = settings.authorityFile
        http.bearerToken = settings.token
        http.userAgent = "tapline-publisher/\(Software.version)"
        client = HTTPSession(http)
    }

    /// Checks the sources periodically until stopped. Failures are logged and retried with back-off.
    package func run(_ stop: StopSignal) {
        var random = SystemRandomNumberGenerator()
        var backoff = Backoff(baseMs: 1_000, capMs: max(1_000, settings.intervalMs))
        var pauseMs = DownloadPlan.firstCheckMs(
            hasSnapshot: store.current() != nil, intervalMs: settings.intervalMs, using: &random)
        while !stop.wait(ms: pauseMs) {
            pauseMs = plan.pauseMs(using: &random)
            do {
                let outcome = try checkSources(stop, waitsForTurn: true)
                backoff.reset()
                if case .waiting(_, let ms) = outcome { pauseMs = min(pauseMs, ms) }
                report(outcome)
            } catch {
                if stop.isStopped { return }
                pauseMs = min(pauseMs, backoff.nextDelayMs() + 500)
                reportProblem("\(error)")
            }
        }
    }

    private func report(_ outcome: Outcome) {
        var due: String?
        if case .waiting(let version, let ms) = outcome {
            due = "\(version) at \(UTCTime.text(microseconds: SystemClock.nowMicroseconds() + 1_000 * Int64(ms)))"
        }
        status?.update { report in
            report.download.lastChecked = PublisherStatus.now()
            report.download.due = due
        }
        if case .older(let offered, let highest) = outcome {
            reportProblem(
                "version \(offered) is offered, but \(highest) was known before: the center was restored "
                    + "from a backup, or this is an old copy")
        } else if !failures.isEmpty {
            reportProblem(failureText)
        } else {
            lastProblem = nil
            status?.update { $0.download.lastError = nil }
        }
    }

    /// Logs a problem unless it is the same as the last one, to limit the log while offline.
    private func reportProblem(_ problem: String) {
        status?.update { $0.download.lastError = problem }
        if problem != lastProblem { log.warning("snapshot download failed, will retry", [.error: problem]) }
        lastProblem = problem
    }

    /// Checks the sources once and installs a newer snapshot.
    ///
    /// - Throws: `DownloadError`: unavailable if no source can be reached or all have a fault; failure if no snapshot
    ///   is published or it is refused; configuration while another process installs.
    package func fetch(_ stop: StopSignal = StopSignal()) throws -> Outcome {
        try checkSources(stop, waitsForTurn: false)
    }

    /// Installs the snapshot of a folder, such as a USB stick. Always uses the full file.
    ///
    /// - Parameter folder: a folder with manifest.json and its files.
    /// - Throws: `DownloadError`: failure if no snapshot is there or it is refused; configuration while another process
    ///   installs.
    package func install(from folder: String) throws -> Outcome {
        do {
            checkCurrentFile()
            // Repeated, because the folder may be the center's, which may be publishing.
            return try retryRefused(settings.retries, StopSignal()) {
                switch try checkManifest(signedManifest(in: folder)) {
                case .nothing(let outcome): return outcome
                case .newer(let offer):
                    return try installFullFile(offer) { try copyFullFile(of: offer.manifest, from: folder) }
                }
            }
        } catch let refusal as SnapshotRefusal where refusal.isRetriable {
            throw DownloadError(
                .unusable, refusal.category, "\(refusal): the copy is damaged, copy it again (tapline-snapshot stick)")
        } catch { throw DownloadError(error) }
    }

    /// Reads manifest and signature of a folder.
    ///
    /// - Throws: `DownloadError` that says what folder is needed.
    private func signedManifest(in folder: String) throws -> DownloadSource.SignedManifest {
        func read(_ name: String) throws -> [UInt8] {
            do {
                return try ForeignFile(name, in: folder).read(limit: Manifest.maxBytes)
            } catch let error as SystemError where [ENOENT, ENOTDIR].contains(error.code) {
                let reason =
                    !Files.exists(folder)
                    ? "no such folder (is the USB stick mounted?)"
                    : error.code == ENOTDIR ? "it is a file: name its folder" : "no \(name) in this folder"
                throw DownloadError(
                    .unusable, .failure,
                    "\(folder): \(reason); a folder that tapline-snapshot stick has written is needed")
            }
        }
        return DownloadSource.SignedManifest(
            manifest: try read(Manifest.fileName), signature: try read(Manifest.signatureFileName))
    }

    /// Copies or expands the full file of a folder to its candidate path. Verifies its size only.
    ///
    /// The folder is not trusted. So its files are compared with the signed sizes before anything is written, and a
    /// part is removed: the journal needs the space more.
    private func copyFullFile(of manifest: Manifest, from folder: String) throws {
        let path = store.candidatePath(for: manifest)
        try Files.remove(path)
        let package = Files.exists(folder + "/" + manifest.file) ? nil : manifest.compressed
        let file = try ForeignFile(package?.file ?? manifest.file, in: folder)
        let size = package?.size ?? manifest.size
        guard Int64(file.size) == size else {
            throw SnapshotRefusal(.size, "\(file.path) has \(file.size) bytes, the manifest says \(size)")
        }
        guard package != nil else { return try file.copy(to: path, leaving: Download.reserveBytes) }
        try requireSpace(for: manifest.size, at: path)
        do {
            try Gzip.expand(file.descriptor, named: file.path, to: path, limitBytes: Int(manifest.size))
        } catch {
            guard error.code == nil else { throw error }
            throw SnapshotRefusal(.damaged, error.description)
        }
    }

    /// Reads the current file for damage if that is due.
    func checkCurrentFile() {
        let gate = GateState.read(folder: settings.folder)?.snapshot
        let isGateElsewhere = gate.map { $0 != store.currentVersion() } ?? false
        let nowMs = SystemClock.monotonicMs()
        if plan.isFileCheckDue(isGateElsewhere: isGateElsewhere, nowMs: nowMs) {
            plan.noteFileCheck(isIntact: store.isIntact(), nowMs: nowMs)
        }
    }
}
