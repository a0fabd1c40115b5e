public import Gate
public import Runtime
internal import Scans
internal import Serial

/// Drives the relay board of a lane: turnstile, lights, buzzer. One thread, and a second one that watches it.
///
/// Relays are off at the start and at the end, and a guard process switches them off when this one dies (`PortGuard`). A board
/// that is gone is told to the lane and opened again with back-off; what was missed meanwhile is never made up for.
public final class Turnstile: Sendable {
    private enum Order: Sendable {
        case answer(isGreen: Bool, opens: Bool, direction: Direction, atMs: Int64)
        case mode(LaneMode)
    }

    let settings: TurnstileSettings
    private let report: @Sendable (LaneInput) -> Void
    private let orders = Mailbox<Order>(capacity: 1_024)
    private let log = Log("turnstile")

    /// - Parameter report: takes `LaneInput.turnstile(problem:)`, on the turnstile's thread; posts to the lane's mailbox.
    public init(_ settings: TurnstileSettings, report: @escaping @Sendable (LaneInput) -> Void) {
        (self.settings, self.report) = (settings, report)
    }

    /// From the lane, which does not wait.
    public func take(_ notice: LaneNotice) {
        let now = SystemClock.monotonicMs()
        switch notice {
        case .answer(let signal):
            orders.push(
                .answer(
                    isGreen: signal.isGreen, opens: signal.opens, direction: signal.direction,
                    atMs: signal.arrivedMs ?? now))
        case .failed(_, let opens): orders.push(.answer(isGreen: false, opens: opens, direction: .out, atMs: now))
        case .state(let state): orders.push(.mode(state.isInspection ? .normal : state.mode))
        }
    }

    public func service() -> Service {
        Service.thread("turnstile") { stop in
            let board = DeadMansSwitch()
            let watchdogStop = StopSignal()
            PlainThread("turnstile-off") { board.run(until: watchdogStop) }
            defer { watchdogStop.stop() }
            self.run(board, until: stop)
        }
    }

    /// Back-off of a board that does not open: healed within seconds of the plug going back.
    private static let backoffBaseMs = 200
    private static let backoffCapMs = 3_000

    private func run(_ watchdog: DeadMansSwitch, until stop: StopSignal) {
        var plan = TurnstilePlan(settings)
        var backoff = Backoff(baseMs: Turnstile.backoffBaseMs, capMs: Turnstile.backoffCapMs)
        var problem: String??
        var isFirst = true
        while !stop.isStopped {
            do {
                let board = try RelayBoard(settings, watchdog)
                defer { board.close() }
                plan.restart(nowMs: SystemClock.monotonicMs())
                if problem != .some(nil) {
                    problem = .some(nil)
                    report(.turnstile(problem: nil))
                    log.info("relay board opened", [.path: settings.path])
                }
                // Taps answered while a board was gone open nothing now; the mode does. At the start the board has only just
                // been asked what it is, and who tapped meanwhile stands there.
                obey(&plan, mayOpen: isFirst)
                isFirst = false
                backoff.reset()
                try drive(board, &plan, until: stop)
                return
            } catch {
                // Once a change, not once an attempt.
                if problem != .some("\(error)") {
                    problem = .some("\(error)")
                    report(.turnstile(problem: "\(error)"))
                    log.error("no relay board", [.path: settings.path, .error: "\(error)"])
                }
                obey(&plan, mayOpen: false)
                isFirst = false
                if stop.wait(ms: max(50, backoff.nextDelayMs())) { return }
                obey(&plan, mayOpen: false)
            }
        }
    }

    /// The loop while the board is there. Throws when it is gone or answers what it must not.
    private func drive(_ board: RelayBoard, _ plan: inout TurnstilePlan, until stop: StopSignal) throws {
        while !stop.isStopped {
            obey(&plan, mayOpen: true)
            for step in plan.due(nowMs: SystemClock.monotonicMs()) {
                if step.isOn { board.expectCare() }
                try board.set(step.channel, step.isOn)
                plan.done(step)
            }
            try board.check(expected: plan.pulled)
            board.expectCare(of: plan.pulled)
            let until = plan.nextMs.map { max(0, $0 - SystemClock.monotonicMs()) } ?? Int64(RelayBoard.roundMs)
            try board.wait(
                [orders.descriptor, stop.descriptor], timeoutMs: Int(min(until, Int64(RelayBoard.roundMs))))
        }
    }

    private func obey(_ plan: inout TurnstilePlan, mayOpen: Bool) {
        let now = SystemClock.monotonicMs()
        for order in orders.drain() {
            switch order {
            case .mode(let mode): plan.mode(mode, nowMs: now)
            case .answer(let isGreen, let opens, let direction, let atMs):
                guard mayOpen else { continue }
                let isLate = now - atMs > TurnstilePlan.latestMs
                let isInTime = plan.answer(
                    isGreen: isGreen, opens: opens && !isLate, direction: direction, nowMs: now)
                if (opens && isLate) || !isInTime { log.warning("an opening came too late and was dropped") }
            }
        }
    }
}
