import AMQP
package import Runtime
import Synchronization
import Tracking

/// Consumes batches from the broker and stores each scan exactly once (contract.md sections 3 and 4).
///
/// Each worker has two threads: the consumer receives, decodes and acknowledges; the writer stores and commits. A
/// tracker follows the writers. If a server becomes unavailable, its connection is made again without limit, with
/// back-off.
package final class IngestService: Sendable {
    /// State of the connections of all workers, for `/readyz`.
    package let health: IngestHealth
    private let settings: IngestSettings
    private let metrics: IngestMetrics
    private let tracker: Tracker

    /// A service that is not running yet.
    ///
    /// - Parameters:
    ///   - settings: servers, limits and number of workers.
    ///   - metrics: where the service registers its metrics.
    package init(_ settings: IngestSettings, metrics: Metrics) {
        self.settings = settings
        health = IngestHealth(workers: settings.workers)
        self.metrics = IngestMetrics(metrics, health: health)
        tracker = Tracker(
            databaseURL: settings.databaseURL, statementTimeoutMs: settings.statementTimeoutMs, metrics: metrics)
    }

    /// Deliveries that were received and not yet settled.
    package var unacknowledged: Int { metrics.unacknowledged.value }

    /// Whether scans are stored or tracked at a high rate, as after an outage. Never blocks.
    package var isStoringBacklog: Bool { tracker.isStoringBacklog }

    /// Returns the service to run.
    ///
    /// On stop each worker finishes and acknowledges the group in hand, and disconnects. Then the tracker tracks its
    /// queue. The service throws `IngestError.shardReduction`, which no retry corrects.
    package func service() -> Service {
        Service("ingest") { [self] stop in
            let trackerStop = StopSignal()
            let tracking = NamedThread("tracker") { [tracker] in tracker.run(trackerStop) }
            let failure = IngestFailure()
            let threads = (0..<settings.workers).flatMap { startWorker($0, failure, stop) }
            for thread in threads { await thread.end() }
            trackerStop.stop()
            await tracking.end()
            if let error = failure.error { throw error }
        }
    }

    private func startWorker(_ index: Int, _ failure: IngestFailure, _ stop: StopSignal) -> [NamedThread] {
        let channel = WorkerChannel(worker: index)
        let health = health.worker(index)
        return [
            NamedThread("ingest-writer") { [self] in
                IngestWriter(
                    settings: settings, channel: channel, health: health, metrics: metrics, tracker: tracker,
                    failure: failure, stop: stop
                ).run()
                channel.writerEnded.stop()
            },
            NamedThread("ingest", stackBytes: AMQPConnection.stackBytes) { [self] in
                IngestConsumer(settings: settings, channel: channel, health: health, metrics: metrics, stop: stop).run()
            },
        ]
    }
}

/// The first error that no retry corrects. It ends all workers.
final class IngestFailure: Sendable {
    private let first = Mutex<IngestError?>(nil)

    func report(_ error: IngestError) { first.withLock { $0 = $0 ?? error } }
    var error: IngestError? { first.withLock { $0 } }
}
