import AccessControl
import ScanModel

/// Which relays are pulled when: a pure value, told of answers and of the time.
///
/// A pulse has its end the moment it has its begin. What could not begin in time does not begin late: the person has left, and
/// the next one would walk through.
struct TurnstilePlan: Sendable {
    /// One change of one relay.
    struct Step: Equatable, Sendable {
        var atMs: Int64
        var channel: Int
        var isOn: Bool
    }

    private let settings: TurnstileSettings
    private(set) var steps: [Step] = []
    /// What the relays were told last.
    private(set) var pulled: Set<Int> = []
    /// The supervisor has opened the lane: unlocked until told otherwise.
    private(set) var isHeld = false
    private var freeFromMs = Int64.min

    /// A light shines this long.
    static let lightMs: Int64 = 2_000
    /// The buzzer: on and off times in turn. Three short for a refusal, one for an admission.
    static let goodTone: [Int64] = [120]
    static let badTone: [Int64] = [200, 120, 200, 120, 200]
    /// An opening that would begin later than this after its tap is dropped; so at most a few wait for the gap.
    static let latestMs: Int64 = 2_000

    init(_ settings: TurnstileSettings) { self.settings = settings }

    /// A tap was answered at `nowMs` (of a clock that never steps). False: it should open and came too late.
    @discardableResult
    mutating func answer(isGreen: Bool, opens: Bool, direction: Direction, nowMs: Int64) -> Bool {
        show(isGreen, nowMs)
        guard opens, !isHeld else { return true }
        let begin = max(nowMs, freeFromMs)
        guard begin - nowMs <= TurnstilePlan.latestMs else { return false }
        let channel = direction == .out ? settings.openOut ?? settings.open : settings.open
        add(channel, begin, begin + Int64(settings.pulseMs))
        freeFromMs = begin + Int64(settings.pulseMs + settings.gapMs)
        return true
    }

    /// The mode of the lane: free holds the turnstile unlocked and the light green.
    mutating func mode(_ mode: LaneMode, nowMs: Int64) {
        guard isHeld != (mode == .free) else { return }
        isHeld = mode == .free
        let held = heldChannels
        // Neither a pulse of before may end the hold, nor one begin after it.
        steps.removeAll { held.contains($0.channel) || $0.channel == settings.red }
        for channel in held + [settings.red].compactMap(\.self) {
            steps.append(Step(atMs: nowMs, channel: channel, isOn: isHeld && channel != settings.red))
        }
        freeFromMs = nowMs + Int64(settings.gapMs)
    }

    /// The steps that are due, each only where it changes something.
    mutating func due(nowMs: Int64) -> [Step] {
        let now = steps.filter { $0.atMs <= nowMs }.sorted { $0.atMs < $1.atMs }
        steps.removeAll { $0.atMs <= nowMs }
        var last: [Int: Step] = [:]
        for step in now { last[step.channel] = step }
        // A thread that slept through a whole pulse does not make up for it.
        return last.values.filter { $0.isOn != pulled.contains($0.channel) }.sorted { $0.channel < $1.channel }
    }

    /// The board was told.
    mutating func done(_ step: Step) {
        if step.isOn { pulled.insert(step.channel) } else { pulled.remove(step.channel) }
    }

    /// When the next step is due; nil: nothing is.
    var nextMs: Int64? { steps.map(\.atMs).min() }

    /// The board was lost or switched off, or is new: all its relays are off, and no pulse is made again. Only a hold goes on.
    mutating func restart(nowMs: Int64) {
        (steps, pulled, freeFromMs) = ([], [], nowMs + Int64(settings.gapMs))
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
