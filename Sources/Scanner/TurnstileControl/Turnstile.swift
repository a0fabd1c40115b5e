import AccessControl
package import GateController
import Glibc
import LinuxSystem
package import Runtime
import ScanModel
import Synchronization

/// Drives the relay board of a lane: turnstile, lights and buzzer. Has one thread, and a second one as its watchdog.
///
/// Relays are off at the start and at the end. `RelayFailSafe` switches them off when this process dies. A board that
/// is disconnected is reported to the lane and opened again with back-off. Openings that were missed are not repeated.
package final class Turnstile: Sendable {
    private enum Command: Sendable {
        case verdict(isGreen: Bool, opens: Bool, direction: Direction, atMs: Int64)
        case dropped
        /// Wakes the thread: the mode may have changed.
        case readMode
    }

    let settings: TurnstileSettings
    private let report: @Sendable (LaneEvent) -> Void
    private let commands = Mailbox<Command>(capacity: 1_024)
    /// Not a command, because a full mailbox drops commands, and the end of the free mode must not be lost.
    private let mode = Mutex(LaneMode.normal)
    private let log = Log("turnstile")

    /// - Parameter report: receives `LaneEvent.turnstile(problem:)` on the turnstile's thread; must not wait.
    package init(_ settings: TurnstileSettings, report: @escaping @Sendable (LaneEvent) -> Void) {
        self.settings = settings
        self.report = report
    }

    /// Receives an update of the lane. Does not wait.
    package func receive(_ update: LaneUpdate) {
        let now = SystemClock.monotonicMs()
        switch update {
        case .verdict(let result):
            commands.push(
                .verdict(
                    isGreen: result.isGreen, opens: result.opens, direction: result.direction,
                    atMs: result.arrivedMs ?? now))
        case .failed(_, let opens):
            commands.push(.verdict(isGreen: opens, opens: opens, direction: .out, atMs: now))
        case .dropped: commands.push(.dropped)
        case .state(let state):
            mode.withLock { $0 = state.isInspection ? .normal : state.mode }
            commands.push(.readMode)
        }
    }

    /// The driving loop, as a service of the daemon.
    package func service() -> Service {
        Service.thread("turnstile") { stop in
            let watchdog = TurnstileWatchdog()
            let watchdogStop = StopSignal()
            NamedThread("relay-off") { watchdog.run(until: watchdogStop) }
            defer { watchdogStop.stop() }
            self.run(watchdog, until: stop)
        }
    }

    /// Back-off of the attempts to open the board: it is in use a few seconds after it is plugged in.
    private static let backoffBaseMs = 200
    private static let backoffCapMs = 3_000

    func run(_ watchdog: TurnstileWatchdog, until stop: StopSignal) {
        var plan = TurnstilePlan(settings)
        var backoff = Backoff(baseMs: Turnstile.backoffBaseMs, capMs: Turnstile.backoffCapMs)
        var reported: TurnstileProblem??
        var isFirst = true
        var mustReportState = false
        while !stop.isStopped {
            do {
                let board = try RelayBoard(settings, watchdog, mustReportState: mustReportState)
                defer { board.close() }
                mustReportState = board.reportsState
                plan.restart(nowMs: SystemClock.monotonicMs())
                // Verdicts shown while no board was connected do not open now. The mode is applied. At the start, the
                // board was opened a moment ago, so these verdicts are recent and open.
                apply(&plan, mayOpen: isFirst)
                isFirst = false
                reportChange(nil, &reported)
                backoff.reset()
                try drive(board, &plan, &reported, until: stop)
                return
            } catch {
                reportChange(TurnstileProblem(error), &reported)
                if Turnstile.isDisconnected(error) { mustReportState = false }
                apply(&plan, mayOpen: false)
                isFirst = false
                if stop.wait(ms: max(50, backoff.nextDelayMs())) { return }
                apply(&plan, mayOpen: false)
            }
        }
    }

    /// Reports a change to lane and log, not every attempt.
    private func reportChange(_ problem: TurnstileProblem?, _ reported: inout TurnstileProblem??) {
        guard reported != .some(problem) else { return }
        reported = .some(problem)
        report(.turnstile(problem: problem))
        if let problem {
            log.error("relay board out of order", [.path: settings.path, .error: problem])
        } else {
            log.info("relay board ready", [.path: settings.path])
        }
    }

    /// Whether the cable was pulled: the next board may be of another kind.
    private static func isDisconnected(_ error: any Error) -> Bool {
        (error as? SystemError).map { [EIO, ENOENT, ENXIO, ENODEV].contains($0.code) } ?? false
    }

    /// The loop while the board is connected.
    ///
    /// - Throws: the errors of `RelayBoard`.
    private func drive(
        _ board: RelayBoard, _ plan: inout TurnstilePlan, _ reported: inout TurnstileProblem??, until stop: StopSignal
    ) throws {
        while !stop.isStopped {
            if try board.wasSwitchedOff() { plan.restart(nowMs: SystemClock.monotonicMs()) }
            apply(&plan, mayOpen: true)
            for step in plan.due(nowMs: SystemClock.monotonicMs()) {
                if step.isOn { board.startDeadline() }
                try board.set(step.channel, step.isOn)
                plan.done(step)
            }
            try board.check(energized: plan.energized)
            reportChange(board.problem, &reported)
            board.renewDeadline(energized: plan.energized)
            let untilNextMs = plan.nextMs.map { max(0, $0 - SystemClock.monotonicMs()) } ?? Int64(RelayBoard.roundMs)
            try board.wait(
                [commands.descriptor, stop.descriptor], timeoutMs: Int(min(untilNextMs, Int64(RelayBoard.roundMs))))
        }
    }

    /// Applies mode and commands to the plan.
    private func apply(_ plan: inout TurnstilePlan, mayOpen: Bool) {
        let now = SystemClock.monotonicMs()
        let drained = commands.drain()
        // After the mailbox was drained, so that a later change of the mode wakes the loop again.
        plan.mode(mode.withLock { $0 }, nowMs: now)
        for command in drained where mayOpen {
            switch command {
            case .verdict(let isGreen, let opens, let direction, let atMs):
                let isLate = now - atMs > TurnstilePlan.latestMs
                let isInTime = plan.verdict(isGreen: isGreen, opens: opens && !isLate, direction: direction, nowMs: now)
                if (opens && isLate) || !isInTime { log.warning("open command expired, dropped") }
            case .dropped: plan.dropped(nowMs: now)
            case .readMode: break
            }
        }
    }
}
