import CLI
import DataFolder
import FileSystem
import HTTPClient
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots

/// From an offer to a snapshot in force.
extension Download {
    /// Brings what all of `found` have: by a delta of any of them, or else as the full file of any of them.
    func bring(_ found: [Found], _ stop: StopSignal, isPatient: Bool) throws -> Outcome {
        if let outcome = try bringDelta(found, stop, isPatient: isPatient) { return outcome }
        if try finishBegun(found, stop) {
            // From here a delta may lead on.
            return try bring(found, stop, isPatient: isPatient)
        }
        return try bringFile(found, stop, isPatient: isPatient)
    }

    /// Milliseconds until so many bytes of this offer may be fetched; nil: now.
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

    // MARK: Deltas

    /// Nil when none of the sources has one that is of use: the full file is next. Where all that is wrong is the network,
    /// the delta goes on where it was at the next look.
    private func bringDelta(_ found: [Found], _ stop: StopSignal, isPatient: Bool) throws -> Outcome? {
        var late = 0
        for found in found {
            let form = plan.form(of: found.offer.manifest, from: store.currentVersion(), at: found.index)
            guard case .delta(let delta) = form else { continue }
            if isPatient, let waiting = turn(delta.size, found.offer) { return waiting }
            var outcome: Outcome?
            try sparing(stop) {
                do {
                    outcome = try attempts(min(1, settings.retries), stop) { try bring(delta, found, stop) }
                } catch let error where Download.isPassing(error) {
                    late += 1
                    throw error
                } catch let error where !stop.isStopped && !Download.isLocal(error) {
                    giveUp(delta, at: found.index, error)
                }
            }
            if let outcome { return outcome }
        }
        guard late < found.count else { throw allTroubles() }
        return nil
    }

    private func bring(_ delta: Manifest.Delta, _ found: Found, _ stop: StopSignal) throws -> Outcome {
        let manifest = found.offer.manifest
        let path = store.candidatePath(for: delta, of: manifest)
        do {
            try store.setOut(for: found.offer)
            store.removeCandidates(
                butOf: [manifest, begun.flatMap { try? Manifest(json: $0.manifest) }].compactMap(\.self))
            // The copy that it is applied to needs room, too.
            try demandRoom(for: delta.size + manifest.size, at: path)
            let limitMs = Download.limitMs(bytes: delta.size, perS: Download.deltaBytesPerS)
            try fetch(delta.file, to: path, size: delta.size, from: sources[found.index], limitMs: limitMs, stop)
            return .installed(
                version: told(try store.install(found.offer, delta: delta, file: path), delta: delta.size))
        } catch let error where !stop.isStopped && !Download.isLocal(error) && !Download.isPassing(error) {
            for name in [path, path + ".origin"] { try? Files.remove(name) }
            throw error
        }
    }

    /// It is told once, and not tried again.
    private func giveUp(_ delta: Manifest.Delta, at source: Int, _ error: any Error) {
        let refusal = error as? SnapshotRefusal
        // Signed bytes that are of no use are so wherever they come from.
        plan.spend(delta, at: refusal?.isRetriable == false ? nil : source)
        if refusal?.reason == .base { plan.read(isWhole: store.isWhole(), nowMs: SystemClock.monotonicMs()) }
        log.warning("a delta is of no use: the full file is fetched", [.file: delta.file, .error: "\(error)"])
    }

    // MARK: Full files

    /// Goes on with a full file that was begun while a newer one came out. True when it was installed.
    private func finishBegun(_ found: [Found], _ stop: StopSignal) throws -> Bool {
        guard let known = begun, let manifest = try? Manifest(json: known.manifest),
            let next = found.first?.offer.manifest, manifest.version < next.version
        else { return false }
        var late = 0
        var last: (any Error)?
        for found in found where begun != nil {
            var isDone = false
            try sparing(stop) {
                do {
                    let offer = try store.offer(
                        manifest: known.manifest, signature: known.signature, keys: settings.keys, readsFile: false)
                    if offer.isInstalled {
                        begun = nil
                        return
                    }
                    _ = try install(offer) { try fetchFile(of: manifest, from: sources[found.index], stop) }
                    isDone = true
                } catch let error where Download.isPassing(error) {
                    late += 1
                    throw error
                } catch let error where !stop.isStopped && !Download.isLocal(error) {
                    last = error
                }
            }
            if isDone { return true }
        }
        // One of them may still have it, and goes on at the next look.
        guard late == 0 || begun == nil else { throw allTroubles() }
        begun = nil
        if let last {
            log.info("the snapshot that was begun is dropped", [.version: manifest.version, .error: "\(last)"])
        }
        return false
    }

    /// The full file from the first source that has it. One that was refused is left alone for a while, unless somebody
    /// asks by hand.
    private func bringFile(_ found: [Found], _ stop: StopSignal, isPatient: Bool) throws -> Outcome {
        for found in found {
            let (manifest, source) = (found.offer.manifest, sources[found.index])
            if isPatient, let waiting = turn(manifest.compressed?.size ?? manifest.size, found.offer) { return waiting }
            if isPatient,
                let reason = plan.reasonToHold(
                    manifest.sha256, at: found.index, nowMs: SystemClock.monotonicMs())
            {
                troubles.append(ProgramError.failed(reason))
                continue
            }
            var outcome: Outcome?
            try sparing(stop) {
                begun = found.known
                // A part may be of something else, or spoilt by the source before: then once more, all of it from this one.
                let hasPart = [packedPath(of: manifest), store.candidatePath(for: manifest)].contains {
                    Files.exists($0)
                }
                do {
                    outcome = try attempts(hasPart ? min(1, settings.retries) : 0, stop) {
                        try install(found.offer) { try fetchFile(of: manifest, from: source, stop) }
                    }
                } catch let refusal as SnapshotRefusal {
                    plan.hold(
                        manifest.sha256, at: found.index, "\(refusal)", nowMs: SystemClock.monotonicMs())
                    throw refusal
                }
            }
            if let outcome { return outcome }
        }
        throw allTroubles()
    }

    /// Brings the full file to its candidate path with `bring`, and installs it.
    func install(_ offer: SnapshotOffer, bring: () throws -> Void) throws -> Outcome {
        let manifest = offer.manifest
        try store.setOut(for: offer)
        try Files.makeFolder(store.folder)
        store.removeCandidates(butOf: [manifest])
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
        plan.read(isWhole: true, nowMs: SystemClock.monotonicMs())
        return version
    }
}
