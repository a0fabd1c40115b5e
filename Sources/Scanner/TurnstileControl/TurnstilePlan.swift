import AccessControl
import ScanModel

/// Decides which relays are on at which time. A pure value: verdicts and times are its input.
///
/// The end of a pulse is planned together with its start. A pulse that cannot start in time is dropped: the person has
/// left, and the next one would walk through.
struct TurnstilePlan: Sendable {
    /// One change of one relay.
    struct Step: Equatable, Sendable {
        var atMs: Int64
        var channel: Int
        var isOn: Bool
    }

    private let settings: TurnstileSettings
    private(set) var steps: [Step] = []
    /// The channels that are on, by the last commands.
    private(set) var energized: Set<Int> = []
    /// Whether mode free holds the turnstile unlocked.
    private(set) var isHeld = false
    /// Earliest start of the next pulse.
    private var freeFromMs = Int64.min

    /// Duration of a light, in milliseconds.
    static let lightMs: Int64 = 2_000
    /// Durations of the buzzer in milliseconds, on and off in turn: one tone for an admission, three for a rejection.
    static let goodTone: [Int64] = [120]
    static let badTone: [Int64] = [200, 120, 200, 120, 200]
    /// Maximum delay of an opening after its tap, in milliseconds. So at most a few openings wait for the gap.
    static let latestMs: Int64 = 2_000

    init(_ settings: TurnstileSettings) { self.settings = settings }

    /// Plans the signals of a verdict, and its opening.
    ///
    /// - Parameter nowMs: monotonic clock.
    /// - Returns: `false` if the opening would be too late and was dropped.
    @discardableResult
    mutating func verdict(isGreen: Bool, opens: Bool, direction: Direction, nowMs: Int64) -> Bool {
        show(isGreen, nowMs)
        guard opens, !isHeld else { return true }
        let begin = max(nowMs, freeFromMs)
        guard begin - nowMs <= TurnstilePlan.latestMs else { return false }
        let channel = direction == .out ? settings.openOut ?? settings.open : settings.open
        add(channel, begin, begin + Int64(settings.pulseMs))
        freeFromMs = begin + Int64(settings.pulseMs + settings.gapMs)
        return true
    }

    /// Plans the signals of a read that was dropped: those of a rejection.
    ///
    /// The signals of a verdict have priority, because a person may be passing.
    mutating func dropped(nowMs: Int64) {
        let signals = [settings.green, settings.red, settings.buzzer].compactMap(\.self)
        guard !steps.contains(where: { signals.contains($0.channel) && $0.atMs > nowMs }) else { return }
        show(false, nowMs)
    }

    /// Plans a mode of the lane: free holds the turnstile unlocked and the light green.
    mutating func mode(_ mode: LaneMode, nowMs: Int64) {
        guard isHeld != (mode == .free) else { return }
        isHeld = mode == .free
        let held = heldChannels
        // An earlier pulse must not end the hold, nor start after it.
        steps.removeAll { held.contains($0.channel) || $0.channel == settings.red }
        for channel in held + [settings.red].compactMap(\.self) {
            steps.append(Step(atMs: nowMs, channel: channel, isOn: isHeld && channel != settings.red))
        }
        freeFromMs = nowMs + Int64(settings.gapMs)
    }

    /// Removes and returns the steps that are due and change a relay.
    mutating func due(nowMs: Int64) -> [Step] {
        let now = steps.filter { $0.atMs <= nowMs }.sorted { $0.atMs < $1.atMs }
        steps.removeAll { $0.atMs <= nowMs }
        var last: [Int: Step] = [:]
        for step in now { last[step.channel] = step }
        // A pulse that is over already is skipped.
        return last.values.filter { $0.isOn != energized.contains($0.channel) }.sorted { $0.channel < $1.channel }
    }

    /// Records that a step was sent to the board.
    mutating func done(_ step: Step) {
        if step.isOn { energized.insert(step.channel) } else { energized.remove(step.channel) }
    }

    /// When the next step is due; `nil` without one.
    var nextMs: Int64? { steps.map(\.atMs).min() }

    /// Restarts with a board whose relays are all off. Pulses are not repeated; only a hold continues.
    mutating func restart(nowMs: Int64) {
        steps = []
        energized = []
        freeFromMs = nowMs + Int64(settings.gapMs)
        guard isHeld else { return }
        for channel in heldChannels { steps.append(Step(atMs: nowMs, channel: channel, isOn: true)) }
    }

    private var heldChannels: [Int] { [settings.open, settings.openOut, settings.green].compactMap(\.self) }

    private mutating func show(_ isGreen: Bool, _ nowMs: Int64) {
        let signals = [settings.green, settings.red, settings.buzzer].compactMap(\.self)
        let kept = isHeld ? heldChannels : []
        steps.removeAll { signals.contains($0.channel) && !kept.contains($0.channel) }
        for channel in signals where !kept.contains(channel) {
            steps.append(Step(atMs: nowMs, channel: channel, isOn: false))
        }
        if let light = isGreen ? settings.green : settings.red, !kept.contains(light) {
            steps.removeAll { $0.channel == light }
            add(light, nowMs, nowMs + TurnstilePlan.lightMs)
        }
        guard let buzzer = settings.buzzer else { return }
        steps.removeAll { $0.channel == buzzer }
        var (at, isOn) = (nowMs, true)
        for length in isGreen ? TurnstilePlan.goodTone : TurnstilePlan.badTone {
            steps.append(Step(atMs: at, channel: buzzer, isOn: isOn))
            (at, isOn) = (at + length, !isOn)
        }
        steps.append(Step(atMs: at, channel: buzzer, isOn: false))
    }

    private mutating func add(_ channel: Int, _ beginMs: Int64, _ endMs: Int64) {
        steps.append(Step(atMs: beginMs, channel: channel, isOn: true))
        steps.append(Step(atMs: endMs, channel: channel, isOn: false))
    }
}
