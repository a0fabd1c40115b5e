import CLI
import Compression
import HTTPClient
import LinuxSystem
import Runtime
import SQLite
import SnapshotInstall
import Snapshots

/// One look at all sources: who has the newest, and what became of those who failed.
extension Download {
    enum Answer {
        case nothing(Outcome)
        case newer(SnapshotOffer)
    }

    /// Something newer than what is here, and where it is.
    struct Found {
        /// Of the source.
        var index: Int
        var known: DownloadSource.Known
        var offer: SnapshotOffer
    }

    /// Asks all sources, and brings the newest that any of them has: one that stands still, is broken or holds something back
    /// must not hide what the next one has.
    func look(_ stop: StopSignal, isPatient: Bool) throws -> Outcome {
        troubles = []
        readFile()
        var found: [Found] = []
        var newest: Outcome?
        var older: Outcome?
        for index in sources.indices {
            try sparing(stop) {
                let (known, answer) = try attempts(settings.retries, stop) { try ask(index, stop) }
                switch answer {
                case .newer(let offer): found.append(Found(index: index, known: known, offer: offer))
                case .nothing(.older(let offered, let highest)): older = .older(offered: offered, highest: highest)
                case .nothing(let outcome): newest = outcome
                }
            }
        }
        if let highest = found.map(\.offer.manifest.version).max() {
            return try bring(found.filter { $0.offer.manifest.version == highest }, stop, isPatient: isPatient)
        }
        if troubles.isEmpty { plan.settle() }
        guard let outcome = newest ?? older else { throw allTroubles() }
        return outcome
    }

    private func ask(_ index: Int, _ stop: StopSignal) throws -> (DownloadSource.Known, Answer) {
        let known = try fetchManifest(from: sources[index], stop)
        // What is refused is fetched anew: two files that do not match may each be the newest of their server.
        sources[index].known = nil
        let answer = try judge(known)
        if case .nothing(.older) = answer { return (known, answer) }
        sources[index].known = known
        return (known, answer)
    }

    /// Whether a manifest names something to install.
    func judge(_ known: DownloadSource.Known) throws -> Answer {
        do {
            let offer = try store.offer(
                manifest: known.manifest, signature: known.signature, keys: settings.keys, readsFile: plan.isDamaged)
            return offer.isInstalled ? .nothing(.newest(version: offer.manifest.version)) : .newer(offer)
        } catch let refusal where refusal.reason == .notNewer {
            guard let offered = try? Manifest(json: known.manifest).version, let highest = store.highestVersion,
                offered < highest
            else { throw refusal }
            return .nothing(.older(offered: offered, highest: highest))
        }
    }

    // MARK: Failures

    /// Runs `body`, and again after a refusal that another try may mend.
    func attempts<Result>(_ retries: Int, _ stop: StopSignal, _ body: () throws -> Result) throws -> Result {
        var left = retries
        while true {
            do {
                return try body()
            } catch let refusal as SnapshotRefusal {
                guard refusal.isRetriable, left > 0, !stop.wait(ms: settings.retryMs) else { throw refusal }
                left -= 1
                log.warning("fetching the snapshot again", [.reason: refusal.reason.rawValue, .detail: refusal.detail])
            }
        }
    }

    /// Runs `body` for one of the sources: its failure is noted, and no reason not to go on with the next. What is wrong here
    /// would be wrong with every source, and is thrown.
    func sparing(_ stop: StopSignal, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            if stop.isStopped || Download.isLocal(error) { throw Download.programError(error) }
            troubles.append(error)
        }
    }

    /// Whether it is this machine that failed, its disk or another installer, and neither a source nor what it sent.
    static func isLocal(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError: error.kind == .file || error.kind == .stopped
        case let error as ProgramError: error.code == .configuration
        case let error as GzipError: error.code != nil
        case let error as SQLiteError: error.isFull || error.isDiskFailure
        case is SystemError: true
        default: false
        }
    }

    /// Whether it is the network or the source that failed, for now: what has come of a file stays.
    static func isPassing(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError: error.kind != .tooLarge
        case let error as ProgramError: error.code == .unreachable
        default: false
        }
    }

    static func programError(_ error: any Error) -> ProgramError {
        switch error {
        case let error as ProgramError: error
        case let error as HTTPClientError where error.kind != .file: .unreachable("\(error)")
        default: .failed("\(error)")
        }
    }

    var troubleText: String { troubles.map { "\($0)" }.joined(separator: "; ") }

    /// For a look that no source has helped.
    func allTroubles() -> ProgramError {
        guard !troubles.isEmpty else { return .configuration("--center-url is needed") }
        let areAway = troubles.allSatisfy { Download.programError($0).code == .unreachable }
        return areAway ? .unreachable(troubleText) : .failed(troubleText)
    }
}
