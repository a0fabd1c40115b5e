import DataFolder
import ErrorModel
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots

/// One check of all sources: which of them has the newest snapshot.
extension Download {
    /// The result of one source's manifest.
    enum ManifestCheck {
        /// There is nothing to install.
        case nothing(Outcome)
        case newer(SnapshotOffer)
    }

    /// A newer snapshot, and the source that has it.
    struct SourceOffer {
        /// Index into `sources`.
        var index: Int
        var signed: DownloadSource.SignedManifest
        var offer: SnapshotOffer
    }

    /// Asks all sources and installs the newest snapshot that any of them has.
    ///
    /// All sources are asked. A slow, broken or outdated one must not hide a newer snapshot of another one.
    ///
    /// - Parameter waitsForTurn: whether large files wait for this scanner's turn and refused files are held back.
    /// - Throws: `DownloadError`, also if no source answered.
    func checkSources(_ stop: StopSignal, waitsForTurn: Bool) throws -> Outcome {
        failures = []
        checkCurrentFile()
        var offers: [SourceOffer] = []
        var newest: Outcome?
        var older: Outcome?
        let _: Never? = try tryEachSource(sources.indices, stop) { index in
            let (signed, check) = try retryRefused(settings.retries, stop) { try checkManifest(ofSource: index, stop) }
            switch check {
            case .newer(let offer): offers.append(SourceOffer(index: index, signed: signed, offer: offer))
            case .nothing(.older(let offered, let highest)): older = .older(offered: offered, highest: highest)
            case .nothing(let outcome): newest = outcome
            }
            return nil
        }
        if let highest = offers.map(\.offer.manifest.version).max() {
            let best = offers.filter { $0.offer.manifest.version == highest }
            return try fetchAndInstall(best, stop, waitsForTurn: waitsForTurn)
        }
        if failures.isEmpty { plan.reset() }
        guard let outcome = newest ?? older else { throw combinedFailure() }
        return outcome
    }

    private func checkManifest(
        ofSource index: Int, _ stop: StopSignal
    ) throws -> (DownloadSource.SignedManifest, ManifestCheck) {
        let signed = try fetchManifest(from: sources[index], stop)
        // A refused manifest must be requested again without its ETag: manifest and signature that do not match may
        // each be the newest of the server.
        sources[index].accepted = nil
        let check = try checkManifest(signed)
        if case .nothing(.older) = check { return (signed, check) }
        sources[index].accepted = signed
        return (signed, check)
    }

    /// Checks whether a manifest names a snapshot to install.
    ///
    /// - Throws: `SnapshotRefusal`.
    func checkManifest(_ signed: DownloadSource.SignedManifest) throws -> ManifestCheck {
        do {
            let offer = try store.offer(
                manifest: signed.manifest, signature: signed.signature, keys: settings.keys, readsFile: plan.isDamaged)
            if offer.isInstalled { return .nothing(.newest(version: offer.manifest.version)) }
            if settings.refusesOtherKey { try requireKeyInUse(offer.manifest) }
            return .newer(offer)
        } catch let refusal where refusal.reason == .notNewer {
            guard let offered = try? Manifest(json: signed.manifest).version, let highest = store.highestVersion,
                offered < highest
            else { throw refusal }
            return .nothing(.older(offered: offered, highest: highest))
        }
    }

    /// - Throws: `SnapshotRefusal` event-key for a manifest of another key than the scanner's.
    private func requireKeyInUse(_ manifest: Manifest) throws(SnapshotRefusal) {
        let gate = GateState.read(folder: settings.folder)?.snapshot
        guard let key = manifest.key, let known = store.keyInUse(gate: gate), key != known else { return }
        throw SnapshotRefusal(
            .eventKey,
            "snapshot \(manifest.version) was made with the event key of fingerprint \(key), and this scanner uses a "
                + "snapshot of fingerprint \(known): its gate would not use the new one")
    }

    // MARK: Failures

    /// Runs `body`, and again after a refusal that another download may fix.
    ///
    /// - Parameter retries: number of repetitions, `Settings.retryMs` apart.
    func retryRefused<Result>(_ retries: Int, _ stop: StopSignal, _ body: () throws -> Result) throws -> Result {
        var left = retries
        while true {
            do {
                return try body()
            } catch let refusal as SnapshotRefusal {
                guard refusal.isRetriable, left > 0, !stop.wait(ms: settings.retryMs) else { throw refusal }
                left -= 1
                log.warning("retrying snapshot download", [.reason: refusal.reason.rawValue, .detail: refusal.detail])
            }
        }
    }

    /// Runs `body` for one source after the other until it returns a value.
    ///
    /// The failure of a source is recorded in `failures`, and the next source is tried.
    ///
    /// - Returns: `nil` if `body` returned no value for any source.
    /// - Throws: `DownloadError` for local failures (disk, lock), which would affect every source, and after a stop.
    func tryEachSource<Sources: Sequence, Result>(
        _ sources: Sources, _ stop: StopSignal, _ body: (Sources.Element) throws -> Result?
    ) throws -> Result? {
        for source in sources {
            do {
                if let result = try body(source) { return result }
            } catch {
                let failure = DownloadError(error)
                if stop.isStopped || failure.kind == .local || failure.kind == .stopped { throw failure }
                failures.append(failure)
            }
        }
        return nil
    }

    var failureText: String { failures.map(\.description).joined(separator: "; ") }

    /// The error of a check in which no source helped.
    func combinedFailure() -> DownloadError {
        guard !failures.isEmpty else {
            return DownloadError(.local, .configuration, "no snapshot source is configured")
        }
        let areUnavailable = failures.allSatisfy { $0.category == .unavailable }
        var error = DownloadError(.temporary, areUnavailable ? .unavailable : .failure, failureText)
        error.isOfOtherKey = failures.contains(where: \.isOfOtherKey)
        return error
    }
}

/// A place that publishes snapshots: the center or a mirror.
struct DownloadSource {
    /// A manifest and its signature, as received.
    struct SignedManifest {
        var manifest: [UInt8]
        var signature: [UInt8]
        /// The manifest's ETag; `nil` from a server that sends none.
        var etag: String?
    }

    let baseURL: String
    /// The last accepted manifest. Its ETag lets the source answer "not modified".
    var accepted: SignedManifest?

    /// - Parameter url: the base URL; slashes at its end are ignored.
    init(_ url: String) {
        var base = url[...]
        while base.last == "/" { base.removeLast() }
        baseURL = String(base)
    }

    /// The URL of a published file.
    func url(_ name: String) -> String { baseURL + "/snapshot/" + name }
}
