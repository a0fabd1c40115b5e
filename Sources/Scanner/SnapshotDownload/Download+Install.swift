import DataFolder
import ErrorModel
import FileSystem
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots

/// From an offer to an installed snapshot: by a delta, by a partial download that is finished first, or by the full
/// file.
extension Download {
    /// Installs the snapshot that all `offers` have: by a delta from any of them, else by the full file from any of
    /// them.
    func fetchAndInstall(_ offers: [SourceOffer], _ stop: StopSignal, waitsForTurn: Bool) throws -> Outcome {
        if let outcome = try fetchDelta(offers, stop, waitsForTurn: waitsForTurn) { return outcome }
        if try finishPartialDownload(offers, stop) {
            // A delta may lead from the snapshot that was just installed to the newest one.
            return try fetchAndInstall(offers, stop, waitsForTurn: waitsForTurn)
        }
        return try fetchFullFile(offers, stop, waitsForTurn: waitsForTurn)
    }

    /// Returns `.waiting` if this scanner's turn to download that many bytes has not come; `nil` if it has.
    private func pendingTurn(_ bytes: Int64, _ offer: SnapshotOffer) -> Outcome? {
        let hasUsableSnapshot = store.installed().map { current in
            let clock = InstallClock.device(knownS: current.created)
            return current.version < offer.manifest.version && (current.expires > clock.nowS || !clock.isTrusted)
        }
        var random = SystemRandomNumberGenerator()
        let ms = plan.waitMs(
            forBytes: bytes, isUrgent: !(hasUsableSnapshot ?? false), nowMs: SystemClock.monotonicMs(), using: &random)
        return ms > 0 ? .waiting(version: offer.manifest.version, ms: Int(ms)) : nil
    }

    // MARK: Deltas

    /// Installs by a delta from the first source that has an applicable one.
    ///
    /// - Returns: `nil` if no source has one. Then the full file is needed.
    /// - Throws: `DownloadError` if all sources failed only temporarily. The next check continues the delta.
    private func fetchDelta(_ offers: [SourceOffer], _ stop: StopSignal, waitsForTurn: Bool) throws -> Outcome? {
        let failuresBefore = failures.count
        let outcome: Outcome? = try tryEachSource(offers, stop) { source in
            let form = plan.form(of: source.offer.manifest, from: store.currentVersion(), at: source.index)
            guard case .delta(let delta) = form else { return nil }
            if waitsForTurn, let waiting = pendingTurn(delta.size, source.offer) { return waiting }
            do {
                return try retryRefused(min(1, settings.retries), stop) { try transferAndApply(delta, source, stop) }
            } catch let error where DownloadError(error).kind == .unusable && !stop.isStopped {
                exclude(delta, at: source.index, error)
                return nil
            }
        }
        if let outcome { return outcome }
        guard failures.count - failuresBefore < offers.count else { throw combinedFailure() }
        return nil
    }

    private func transferAndApply(_ delta: Manifest.Delta, _ source: SourceOffer, _ stop: StopSignal) throws -> Outcome
    {
        let manifest = source.offer.manifest
        let path = store.candidatePath(for: delta, of: manifest)
        do {
            try store.recordOffered(source.offer)
            let partial = partialDownload.flatMap { try? Manifest(json: $0.manifest) }
            store.removeCandidates(except: [manifest, partial].compactMap(\.self))
            // The delta is applied to a copy of the current file, which needs room too.
            try requireSpace(for: delta.size + manifest.size, at: path)
            let limitMs = Download.limitMs(bytes: delta.size, perS: Download.slowestBytesPerS)
            try transfer(delta.file, to: path, size: delta.size, from: sources[source.index], limitMs: limitMs, stop)
            let version = try store.installDelta(delta, of: source.offer, file: path)
            recordInstallation(version, isDelta: true, bytes: delta.size)
            return .installed(version: version)
        } catch {
            if DownloadError(error).kind == .unusable && !stop.isStopped {
                for name in [path, path + ".origin"] { try? Files.remove(name) }
            }
            throw error
        }
    }

    /// Logs the failure and excludes this delta from further attempts.
    private func exclude(_ delta: Manifest.Delta, at source: Int, _ error: any Error) {
        let refusal = error as? SnapshotRefusal
        // A delta whose signed bytes do not apply is excluded at every source.
        plan.exclude(delta, at: refusal?.isRetriable == false ? nil : source)
        if refusal?.reason == .base {
            plan.noteFileCheck(isIntact: store.isIntact(), nowMs: SystemClock.monotonicMs())
        }
        log.warning("delta not applicable, downloading full snapshot", [.file: delta.file, .error: "\(error)"])
    }

    // MARK: Full files

    /// Finishes the download of a full file that was started before a newer snapshot was published. Otherwise a slow
    /// link would never complete any.
    ///
    /// - Returns: whether that snapshot was installed.
    /// - Throws: `DownloadError` if a source that may have the file failed temporarily. The next check continues it.
    private func finishPartialDownload(_ offers: [SourceOffer], _ stop: StopSignal) throws -> Bool {
        guard let signed = partialDownload, let manifest = try? Manifest(json: signed.manifest),
            let next = offers.first?.offer.manifest, manifest.version < next.version
        else { return false }
        let failuresBefore = failures.count
        var lastError: (any Error)?
        let isInstalled: Bool? = try tryEachSource(offers, stop) { source in
            guard partialDownload != nil else { return nil }
            do {
                let offer = try store.offer(
                    manifest: signed.manifest, signature: signed.signature, keys: settings.keys, readsFile: false)
                if offer.isInstalled {
                    partialDownload = nil
                    return nil
                }
                _ = try installFullFile(offer) { try transferFullFile(of: manifest, from: sources[source.index], stop) }
                return true
            } catch let error where DownloadError(error).kind == .unusable && !stop.isStopped {
                lastError = error
                return nil
            }
        }
        if isInstalled == true { return true }
        guard failures.count == failuresBefore || partialDownload == nil else { throw combinedFailure() }
        partialDownload = nil
        if let lastError {
            log.info("partial snapshot download dropped", [.version: manifest.version, .error: "\(lastError)"])
        }
        return false
    }

    /// Installs the full file from the first source that has a good one. While the publisher runs, a source whose file
    /// was refused is skipped for a while.
    private func fetchFullFile(_ offers: [SourceOffer], _ stop: StopSignal, waitsForTurn: Bool) throws -> Outcome {
        let outcome: Outcome? = try tryEachSource(offers, stop) { source in
            let manifest = source.offer.manifest
            if waitsForTurn {
                if let waiting = pendingTurn(manifest.compressed?.size ?? manifest.size, source.offer) {
                    return waiting
                }
                let nowMs = SystemClock.monotonicMs()
                if let reason = plan.holdReason(manifest.sha256, at: source.index, nowMs: nowMs) {
                    throw DownloadError(.unusable, .failure, reason)
                }
            }
            partialDownload = source.signed
            // An existing part may be of another file or damaged. Then the whole file is downloaded once more from
            // here.
            let hasPart = [packedPath(of: manifest), store.candidatePath(for: manifest)].contains { Files.exists($0) }
            do {
                return try retryRefused(hasPart ? min(1, settings.retries) : 0, stop) {
                    try installFullFile(source.offer) {
                        try transferFullFile(of: manifest, from: sources[source.index], stop)
                    }
                }
            } catch let refusal as SnapshotRefusal {
                plan.hold(manifest.sha256, at: source.index, "\(refusal)", nowMs: SystemClock.monotonicMs())
                throw refusal
            }
        }
        guard let outcome else { throw combinedFailure() }
        return outcome
    }

    /// Installs a full file.
    ///
    /// - Parameter writeCandidate: writes the file to its candidate path.
    func installFullFile(_ offer: SnapshotOffer, writeCandidate: () throws -> Void) throws -> Outcome {
        let manifest = offer.manifest
        try store.recordOffered(offer)
        try Files.makeFolder(store.folder)
        store.removeCandidates(except: [manifest])
        do {
            try writeCandidate()
            let version = try store.install(offer, file: store.candidatePath(for: manifest))
            recordInstallation(version, isDelta: false, bytes: manifest.size)
            return .installed(version: version)
        } catch let refusal as SnapshotRefusal {
            // A refused file is never resumed, because it is not known which byte is wrong.
            try Files.remove(store.candidatePath(for: manifest))
            partialDownload = nil
            throw refusal
        }
    }

    /// Logs an installation and resets the plan.
    ///
    /// - Parameter bytes: size of the delta, or of the full file.
    private func recordInstallation(_ version: Int64, isDelta: Bool, bytes: Int64) {
        partialDownload = nil
        let form = isDelta ? "delta" : "full"
        log.info("snapshot installed", [.version: version, .name: form, .bytes: bytes])
        status?.update { report in
            report.download.installed = version
            report.download.form = form
        }
        plan.reset()
        plan.noteFileCheck(isIntact: true, nowMs: SystemClock.monotonicMs())
    }
}
