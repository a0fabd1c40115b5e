import HTTPClient
import Runtime
import Snapshots

/// From a manifest to a snapshot in force.
extension Download {
    /// Asks the sources in turn until one has something newer: one that stands still, by mistake or to hold something back,
    /// must not hide what the next one has.
    func look(_ stop: StopSignal, isPatient: Bool) throws -> Outcome {
        var newest: Outcome?
        var older: Outcome?
        var troubles: [any Error] = []
        for index in sources.indices {
            do {
                let outcome = try attempts(stop) { try look(at: index, stop, isPatient: isPatient) }
                switch outcome {
                case .installed, .waiting: return outcome
                case .newest: newest = outcome
                case .older: older = outcome
                }
            } catch {
                if stop.isStopped { throw error }
                troubles.append(error)
            }
        }
        let text = troubles.map { "\($0)" }.joined(separator: "; ")
        trouble = troubles.isEmpty ? nil : text
        if let outcome = newest ?? older { return outcome }
        guard troubles.count > 1 else { throw troubles.first ?? ProgramError.configuration("--center-url is needed") }
        let areAway = troubles.allSatisfy { ($0 as? ProgramError)?.code == .unreachable }
        throw areAway ? ProgramError.unreachable(text) : ProgramError.failed(text)
    }

    /// Runs `body`, and again after a refusal that another try may mend.
    func attempts(_ stop: StopSignal, _ body: () throws -> Outcome) throws -> Outcome {
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

    private func look(at index: Int, _ stop: StopSignal, isPatient: Bool) throws -> Outcome {
        let known = try fetchManifest(from: sources[index], stop)
        // What is refused is fetched anew: two files that do not match may each be the newest of their server.
        sources[index].known = nil
        let outcome = try taking(known) { offer in
            sources[index].known = known
            return try bring(offer, known, from: sources[index], stop, isPatient: isPatient)
        }
        if case .newest = outcome { sources[index].known = known }
        return outcome
    }

    /// Calls `body` where there is something to install.
    func taking(_ known: DownloadSource.Known, _ body: (SnapshotOffer) throws -> Outcome) throws -> Outcome {
        let offer: SnapshotOffer
        do {
            offer = try store.offer(
                manifest: known.manifest, signature: known.signature, keys: settings.keys, readsFile: readsFile())
        } catch let refusal where refusal.reason == .notNewer {
            guard let offered = try? Manifest(json: known.manifest).version, let highest = store.highestVersion,
                offered < highest
            else { throw refusal }
            return .older(offered: offered, highest: highest)
        }
        if offer.isInstalled {
            plan.settle()
            return .newest(version: offer.manifest.version)
        }
        return try body(offer)
    }

    private func bring(
        _ offer: SnapshotOffer, _ known: DownloadSource.Known, from source: DownloadSource, _ stop: StopSignal,
        isPatient: Bool
    ) throws -> Outcome {
        let manifest = offer.manifest
        if case .delta(let delta) = plan.form(of: manifest, from: store.currentVersion()) {
            if isPatient, let waiting = turn(delta.size, offer) { return waiting }
            if let outcome = try bring(delta, of: offer, from: source, stop) { return outcome }
        }
        if try finishBegun(before: manifest, from: source, stop) {
            // From here a delta may lead on.
            return try bring(offer, known, from: source, stop, isPatient: isPatient)
        }
        if isPatient, let waiting = turn(manifest.compressed?.size ?? manifest.size, offer) { return waiting }
        begun = known
        return try install(offer) { try fetchFile(of: manifest, from: source, stop) }
    }

    /// Nil: now.
    private func turn(_ bytes: Int64, _ offer: SnapshotOffer) -> Outcome? {
        let isGood = store.installed().map { present in
            let clock = InstallClock.device(knownS: present.created)
            return present.version < offer.manifest.version && (present.expires > clock.nowS || !clock.isTrusted)
        }
        var random = SystemRandomNumberGenerator()
        let ms = plan.waitMs(
            forBytes: bytes, isUrgent: !(isGood ?? false), nowMs: SystemClock.monotonicMs(), using: &random)
        return ms > 0 ? .waiting(version: offer.manifest.version, ms: Int(ms)) : nil
    }

    /// Nil when the delta is of no use, which is told once: the full file is next. One that did not come because of the
    /// network goes on where it was at the next look.
    private func bring(
        _ delta: Manifest.Delta, of offer: SnapshotOffer, from source: DownloadSource, _ stop: StopSignal
    ) throws -> Outcome? {
        let path = store.candidatePath(for: delta, of: offer.manifest)
        do {
            try store.setOut(for: offer)
            try fetch(delta.file, to: path, size: delta.size, from: source, stop)
            return .installed(version: told(try store.install(offer, delta: delta, file: path), delta: delta.size))
        } catch let error where !stop.isStopped && !Download.isPassing(error) {
            plan.spend(delta)
            try? Files.remove(path)
            log.warning("a delta is of no use: the full file is fetched", [.file: delta.file, .error: "\(error)"])
            return nil
        }
    }

    /// Whether it is the network, the center or another installer that failed, and not what was fetched.
    private static func isPassing(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError: error.kind != .tooLarge && error.kind != .file
        case let error as ProgramError: error.code != .failed
        default: false
        }
    }

    /// Goes on with a full file that was begun while a newer one came out. True when it was installed.
    private func finishBegun(before next: Manifest, from source: DownloadSource, _ stop: StopSignal) throws -> Bool {
        guard let known = begun, let manifest = try? Manifest(json: known.manifest), manifest.version < next.version
        else { return false }
        do {
            let offer = try store.offer(
                manifest: known.manifest, signature: known.signature, keys: settings.keys, readsFile: false)
            guard !offer.isInstalled else {
                begun = nil
                return false
            }
            _ = try install(offer) { try fetchFile(of: manifest, from: source, stop) }
            return true
        } catch let error where !stop.isStopped && !Download.isPassing(error) {
            begun = nil
            log.info("the snapshot that was begun is dropped", [.version: manifest.version, .error: "\(error)"])
            return false
        }
    }

    /// Brings the full file to its candidate path with `bring`, and installs it.
    func install(_ offer: SnapshotOffer, bring: () throws -> Void) throws -> Outcome {
        let manifest = offer.manifest
        try store.setOut(for: offer)
        try Files.makeFolder(store.folder)
        store.removeCandidates(butOf: manifest)
        do {
            try bring()
            return .installed(version: told(try store.install(offer, file: store.candidatePath(for: manifest))))
        } catch let refusal as SnapshotRefusal {
            // Never resumed: nobody knows which byte is wrong.
            try Files.remove(store.candidatePath(for: manifest))
            begun = nil
            throw refusal
        }
    }

    /// Tells of an installed snapshot. Bytes of a delta; nil for a full file.
    private func told(_ version: Int64, delta bytes: Int64? = nil) -> Int64 {
        begun = nil
        let form = bytes == nil ? "full" : "delta"
        log.info("snapshot installed", [.version: version, .name: form, .bytes: bytes ?? 0])
        status?.update { report in
            (report.download.installed, report.download.form) = (version, form)
        }
        plan.settle()
        return version
    }
}
