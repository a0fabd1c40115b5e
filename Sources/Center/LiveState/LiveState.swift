import LinuxSystem
import Postgres
package import Runtime
import Synchronization

/// Computes the state of the live display, and makes one frame of it a second.
///
/// Only this object computes the state, however many viewers there are: on its own thread and connection, a part at a
/// time (`LiveSchedule`). A second thread makes the frames. So a slow or lost database delays no frame: its parts then
/// keep their old `as_of`, and the frame says what is unavailable. Nothing is computed without viewers.
///
/// The frame is JSON in one line; docs/reference/contract.md describes its fields.
package final class LiveState: Sendable {
    /// A server that the center depends on.
    package struct Server: Sendable, Equatable {
        /// Whether it can be used now.
        package let isConnected: Bool
        /// Since when it is so, in seconds since 1970-01-01 UTC.
        package let sinceS: Int64
        /// Why it cannot be used, without host and user; `nil` while it can.
        package let problem: String?

        /// - Parameters:
        ///   - isConnected: whether it can be used now.
        ///   - sinceS: since when, in seconds since 1970-01-01 UTC.
        ///   - problem: why it cannot be used, without host and user.
        package init(isConnected: Bool, sinceS: Int64, problem: String?) {
            self.isConnected = isConnected
            self.sinceS = sinceS
            self.problem = problem
        }
    }

    /// The queues of the broker, in messages; `nil`: unknown.
    package struct Queues: Sendable, Equatable {
        /// Messages that wait in the queues of the scanners.
        package let ready: Int?
        /// Deliveries that the center has not acknowledged.
        package let unacked: Int?
        /// Messages in the queue of dead letters.
        package let dead: Int?

        /// - Parameters:
        ///   - ready: messages that wait in the queues of the scanners.
        ///   - unacked: deliveries that the center has not acknowledged.
        ///   - dead: messages in the queue of dead letters.
        package init(ready: Int? = nil, unacked: Int? = nil, dead: Int? = nil) {
            self.ready = ready
            self.unacked = unacked
            self.dead = dead
        }
    }

    /// What a frame shows beside the database, all from memory.
    struct Sources: Sendable {
        var broker: @Sendable () -> Server
        var database: @Sendable () -> Server
        var queues: @Sendable () -> Queues
        var isBacklog: @Sendable () -> Bool
        var viewers: @Sendable () -> Int
        var publish: @Sendable ([UInt8]) -> Void
    }

    /// Interval of the frames, in milliseconds.
    static let frameMs: Int64 = 1_000
    /// How long a frame waits for counts that are due, in milliseconds.
    static let frameGraceMs: Int64 = 500
    /// Maximum wait of a single request for a complete frame, in milliseconds. Then it gets what is known.
    static let waitMs: Int64 = 3_000
    /// Maximum number of single requests that wait.
    static let waitingLimit = 256
    /// Interval at which the threads look for the first viewer, in milliseconds.
    private static let idleMs = 200

    let board: LiveBoard
    private let databaseURL: String
    private let sources: Sources
    /// Wakes the frame thread after counts were computed.
    private let counted = Mailbox<Bool>(capacity: 1)
    /// Wakes the computing thread after a request.
    private let asked = Mailbox<Bool>(capacity: 1)
    private let metrics: LiveMetrics
    private let log = Log("live")

    /// Creates a state that is computed while its service runs.
    ///
    /// - Parameters:
    ///   - databaseURL: connection string or URL, in libpq's format.
    ///   - metrics: where occupancy, flow, fleet and ingestion are registered.
    ///   - broker: the state of the broker connection. All closures are called often and must not block.
    ///   - database: the state of the connections that store scans.
    ///   - isBacklog: whether a backlog is being stored, so that the state is computed less often.
    ///   - viewers: number of open streams.
    ///   - queues: message counts of the broker.
    ///   - publish: takes each frame for the streams.
    package init(
        databaseURL: String, metrics: Metrics, broker: @escaping @Sendable () -> Server,
        database: @escaping @Sendable () -> Server, isBacklog: @escaping @Sendable () -> Bool,
        viewers: @escaping @Sendable () -> Int, queues: @escaping @Sendable () -> Queues = { Queues() },
        publish: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.databaseURL = databaseURL
        sources = Sources(
            broker: broker, database: database, queues: queues, isBacklog: isBacklog, viewers: viewers,
            publish: publish)
        board = LiveBoard()
        self.metrics = LiveMetrics(metrics, board, asked, queues: queues)
    }

    /// The newest frame, without framing for a stream; `nil` until it is complete. Asking counts as a viewer for 10 s.
    package var newest: [UInt8]? {
        defer { asked.send(true) }
        return board.newest(nowMs: SystemClock.monotonicMs())
    }

    /// Answers with a complete frame: at once if there is one, otherwise after its computation, within five seconds.
    ///
    /// - Parameter body: called once, on any thread. It gets `nil` if too many requests wait or the service has ended.
    package func frame(_ body: @escaping @Sendable ([UInt8]?) -> Void) {
        if let frame = newest { return body(frame) }
        if !board.wait(body, nowMs: SystemClock.monotonicMs()) { body(nil) }
    }

    /// The body of `GET /api/fleet`: the IDs and gates of the scanners in the order of `fleet.cells`. `nil` until known.
    package var fleet: [UInt8]? {
        defer { asked.send(true) }
        return board.fleetList(nowMs: SystemClock.monotonicMs())
    }

    /// Returns the service to run. It never throws: a lost connection is made again, with back-off.
    package func service() -> Service {
        Service("live") { [self] stop in
            let frames = NamedThread("live-frames") { [self] in makeFrames(stop) }
            try await NamedThread.run("live") { [self] in compute(stop) }
            await frames.end()
            board.end()
        }
    }

    // MARK: Computing

    private func compute(_ stop: StopSignal) {
        var backoff = Backoff(baseMs: 100, capMs: 2_000)
        var hasFailed = false
        while !stop.isStopped {
            guard board.demand(viewers: sources.viewers(), nowMs: SystemClock.monotonicMs()) != .none else {
                waitForDemand(stop)
                continue
            }
            do {
                try compute(LiveStore(databaseURL: databaseURL), stop) {
                    backoff.reset()
                    if hasFailed { log.info("live state is computed again") }
                    hasFailed = false
                }
            } catch {
                board.failed(nowMs: SystemClock.monotonicMs(), nowMicros: SystemClock.nowMicroseconds())
                counted.send(true)
                if !hasFailed { log.warning("live state not computed, will retry", [.error: "\(error)"]) }
                hasFailed = true
                stop.wait(ms: backoff.nextDelayMs())
            }
        }
    }

    private func compute(_ opened: LiveStore, _ stop: StopSignal, succeeded: () -> Void) throws {
        var store = opened
        var schedule = LiveSchedule()
        while !stop.isStopped {
            let demand = board.demand(viewers: sources.viewers(), nowMs: SystemClock.monotonicMs())
            let isBacklog = sources.isBacklog()
            let nowMs = SystemClock.monotonicMs()
            guard let next = schedule.next(nowMs: nowMs, demand, isBacklog: isBacklog) else {
                waitForDemand(stop)
                continue
            }
            if next.atMs > nowMs {
                // A new viewer may make a part due at once.
                wait(asked, stop, ms: Int(min(next.atMs - nowMs, demand == .viewers ? LiveState.frameMs : 200)))
                continue
            }
            board.began(nowMicros: SystemClock.nowMicroseconds())
            let result = try within(next.part) { () throws(PostgresError) in try store.compute(next.part) }
            let endMs = SystemClock.monotonicMs()
            schedule.finished(next.part, startMs: nowMs, tookMs: endMs - nowMs)
            guard let result else { continue }
            let intervals = schedule.intervals(demand, isBacklog: isBacklog)
            board.put(result, next.part, intervals: intervals, nowMs: endMs)
            metrics.computed(next.part, tookMs: endMs - nowMs)
            if next.part == .counts || !board.isComplete(nowMs: endMs) || board.isAwaited { counted.send(true) }
            succeeded()
        }
    }

    /// Returns `nil` for a part that reached the time limit of a statement. The part keeps its age, and the others go on.
    private func within(
        _ part: LivePart, _ compute: () throws(PostgresError) -> LiveStore.Result
    ) throws(PostgresError) -> LiveStore.Result? {
        do throws(PostgresError) { return try compute() } catch {
            guard error.isCancelled else { throw error }
            board.gaveUp(part)
            log.warning("part of the live state takes too long", [.name: part.rawValue, .error: "\(error)"])
            return nil
        }
    }

    private func waitForDemand(_ stop: StopSignal) { wait(asked, stop, ms: LiveState.idleMs) }

    private func wait(_ mailbox: Mailbox<Bool>, _ stop: StopSignal, ms: Int) {
        _ = Poll.wait([mailbox.descriptor, stop.descriptor], timeoutMs: ms)
        _ = mailbox.drain()
    }

    // MARK: Frames

    private func makeFrames(_ stop: StopSignal) {
        var frames = LiveFrames()
        var lastMs: Int64 = 0
        while !stop.isStopped {
            let nowMs = SystemClock.monotonicMs()
            let isAwaited = board.isAwaited
            // Counts that begin once a second give frames that are a second apart.
            let dueMs = lastMs + LiveState.frameMs + (board.isCountedEachSecond ? LiveState.frameGraceMs : 0)
            if nowMs < dueMs {
                let isCounted =
                    Poll.wait([counted.descriptor, stop.descriptor], timeoutMs: Int(dueMs - nowMs)).first == true
                _ = counted.drain()
                if stop.isStopped { return }
                let passedMs = SystemClock.monotonicMs() - lastMs
                if isCounted, passedMs < LiveState.frameMs / 2, !isAwaited {
                    stop.wait(ms: Int(LiveState.frameMs / 2 - passedMs))
                }
                if !isCounted, SystemClock.monotonicMs() < dueMs { continue }
            }
            lastMs = SystemClock.monotonicMs()
            let frame = frames.next(board.contents(nowMs: lastMs), sources, nowMicros: SystemClock.nowMicroseconds())
            sources.publish(frame)
            for (answer, frame) in board.publish(frame, nowMs: lastMs) { answer(frame) }
        }
    }
}
