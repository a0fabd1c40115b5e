import AccessControl
package import GateController
import Glibc
import LinuxSystem
package import Runtime
import ScanModel
import Synchronization

/// Drives the relay board of a lane: turnstile, lights, buzzer. One thread, and a second one that watches it.
///
/// Relays are off at the start and at the end, and a guard process switches them off when this one dies (`RelayFailSafe`). A board
/// that is gone is told to the lane and opened again with back-off; what was missed meanwhile is never made up for.
package final class Turnstile: Sendable {
    private enum Order: Sendable {
        case answer(isGreen: Bool, opens: Bool, direction: Direction, atMs: Int64)
        /// The mode may be another.
        case look
    }

    let settings: TurnstileSettings
    private let report: @Sendable (LaneEvent) -> Void
    private let orders = Mailbox<Order>(capacity: 1_024)
    /// Not among the orders: what a full mailbox drops must never be the end of a hold.
    private let mode = Mutex(LaneMode.normal)
    private let log = Log("turnstile")

    /// - Parameter report: takes `LaneEvent.turnstile(problem:)`, on the turnstile's thread; posts to the lane's mailbox.
    package init(_ settings: TurnstileSettings, report: @escaping @Sendable (LaneEvent) -> Void) {
        (self.settings, self.report) = (settings, report)
    }

    /// From the lane, which does not wait.
    package func take(_ notice: LaneUpdate) {
        let now = SystemClock.monotonicMs()
        switch notice {
        case .answer(let signal):
            orders.push(
                .answer(
                    isGreen: signal.isGreen, opens: signal.opens, direction: signal.direction,
                    atMs: signal.arrivedMs ?? now))
        case .failed(_, let opens): orders.push(.answer(isGreen: opens, opens: opens, direction: .out, atMs: now))
        case .state(let state):
            mode.withLock { $0 = state.isInspection ? .normal : state.mode }
            orders.push(.look)
        }
    }

    package func service() -> Service {
        Service.thread("turnstile") { stop in
            let board = TurnstileWatchdog()
            let watchdogStop = StopSignal()
            NamedThread("turnstile-off") { board.run(until: watchdogStop) }
            defer { watchdogStop.stop() }
            self.run(board, until: stop)
        }
    }

    /// Back-off of a board that does not open: healed within seconds of the plug going back.
    private static let backoffBaseMs = 200
    private static let backoffCapMs = 3_000

    func run(_ watchdog: TurnstileWatchdog, until stop: StopSignal) {
        var plan = TurnstilePlan(settings)
        var backoff = Backoff(baseMs: Turnstile.backoffBaseMs, capMs: Turnstile.backoffCapMs)
        var told: String??
        var (isFirst, mustAnswer) = (true, false)
        while !stop.isStopped {
            do {
                let board = try RelayBoard(settings, watchdog, mustAnswer: mustAnswer)
                defer { board.close() }
                mustAnswer = board.answers
                plan.restart(nowMs: SystemClock.monotonicMs())
                // Taps answered while a board was gone open nothing now; the mode does. At the start the board has only just
                // been asked what it is, and who tapped meanwhile stands there. A tap after the lane was told does open.
                obey(&plan, mayOpen: isFirst)
                isFirst = false
                tell(nil, &told)
                backoff.reset()
                try drive(board, &plan, &told, until: stop)
                return
            } catch {
                tell("\(error)", &told)
                if Turnstile.isGone(error) { mustAnswer = false }
                obey(&plan, mayOpen: false)
                isFirst = false
                if stop.wait(ms: max(50, backoff.nextDelayMs())) { return }
                obey(&plan, mayOpen: false)
            }
        }
    }

    /// Tells lane and log of a change, not of every attempt.
    private func tell(_ problem: String?, _ told: inout String??) {
        guard told != .some(problem) else { return }
        told = .some(problem)
        report(.turnstile(problem: problem))
        if let problem {
            log.error("relay board out of order", [.path: settings.path, .error: problem])
        } else {
            log.info("relay board ready", [.path: settings.path])
        }
    }

    /// Whether the cable was pulled: what is plugged in after that may be a board of another kind.
    private static func isGone(_ error: any Error) -> Bool {
        (error as? SystemError).map { [EIO, ENOENT, ENXIO, ENODEV].contains($0.code) } ?? false
    }

    /// The loop while the board is there. Throws when it is gone or no longer answers.
    private func drive(
        _ board: RelayBoard, _ plan: inout TurnstilePlan, _ told: inout String??, until stop: StopSignal
    ) throws {
        while !stop.isStopped {
            if try board.wasSwitchedOff() { plan.restart(nowMs: SystemClock.monotonicMs()) }
            obey(&plan, mayOpen: true)
            for step in plan.due(nowMs: SystemClock.monotonicMs()) {
                if step.isOn { board.expectCare() }
                try board.set(step.channel, step.isOn)
                plan.done(step)
            }
            try board.check(expected: plan.pulled)
            tell(board.problem, &told)
            board.expectCare(of: plan.pulled)
            let until = plan.nextMs.map { max(0, $0 - SystemClock.monotonicMs()) } ?? Int64(RelayBoard.roundMs)
            try board.wait(
                [orders.descriptor, stop.descriptor], timeoutMs: Int(min(until, Int64(RelayBoard.roundMs))))
        }
    }

    private func obey(_ plan: inout TurnstilePlan, mayOpen: Bool) {
        let now = SystemClock.monotonicMs()
        let answers = orders.drain()
        // After the orders were taken: one that comes now wakes the loop again.
        plan.mode(mode.withLock { $0 }, nowMs: now)
        for case .answer(let isGreen, let opens, let direction, let atMs) in answers where mayOpen {
            let isLate = now - atMs > TurnstilePlan.latestMs
            let isInTime = plan.answer(isGreen: isGreen, opens: opens && !isLate, direction: direction, nowMs: now)
            if (opens && isLate) || !isInTime { log.warning("an opening came too late and was dropped") }
        }
    }
}
