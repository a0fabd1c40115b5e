/// The microcontroller of an LCUS relay board.
///
/// `A0 channel state sum` switches a relay, `FF` queries the states. USB powers the board, so that every relay is
/// released when the cable is unplugged.
struct EmulatedRelayBoard: EmulatedDevice {
    private(set) var isOn: [Bool]
    private(set) var changes: [RelayBoardEmulator.Change] = []
    /// Frames with an invalid sum, channel or state.
    private(set) var badFrames = 0
    /// Valid commands, including those that changed nothing.
    private(set) var commands = 0
    /// Whether the board ignores all input.
    var isStuck = false
    /// Channels, from 1, whose relays do not move.
    var jammed: Set<Int> = []
    private let reply: RelayBoardEmulator.Reply
    private var pending: [UInt8] = []
    private var pendingOutput: [UInt8] = []

    private static let start: UInt8 = 0xa0
    private static let query: UInt8 = 0xff
    private static let frameBytes = 4

    init(channels: Int, reply: RelayBoardEmulator.Reply) {
        isOn = [Bool](repeating: false, count: channels)
        self.reply = reply
    }

    var deadlineMs: Int64? { nil }

    mutating func power(_ isOn: Bool, nowMs: Int64) {
        (pending, pendingOutput) = ([], [])
        for channel in self.isOn.indices { set(channel, false, nowMs) }
    }

    mutating func receive(_ bytes: [UInt8], nowMs: Int64) {
        if isStuck { return }
        pending += bytes
        while let first = pending.first {
            if first == EmulatedRelayBoard.start {
                guard pending.count >= EmulatedRelayBoard.frameBytes else { return }
                execute(Array(pending.prefix(EmulatedRelayBoard.frameBytes)), nowMs)
                pending.removeFirst(EmulatedRelayBoard.frameBytes)
            } else {
                if first == EmulatedRelayBoard.query { reportStates() }
                pending.removeFirst()
            }
        }
    }

    mutating func output(nowMs: Int64) -> [UInt8] {
        defer { pendingOutput = [] }
        return pendingOutput
    }

    private mutating func execute(_ frame: [UInt8], _ nowMs: Int64) {
        let channel = Int(frame[1]) - 1
        guard frame[0] &+ frame[1] &+ frame[2] == frame[3], isOn.indices.contains(channel), frame[2] <= 1 else {
            badFrames += 1
            return
        }
        commands += 1
        if jammed.contains(channel + 1) { return }
        set(channel, frame[2] == 1, nowMs)
    }

    private mutating func set(_ channel: Int, _ state: Bool, _ nowMs: Int64) {
        guard isOn[channel] != state else { return }
        isOn[channel] = state
        changes.append(RelayBoardEmulator.Change(channel: channel + 1, isOn: state, atMs: nowMs))
    }

    private mutating func reportStates() {
        switch reply {
        case .none: return
        case .bytes: pendingOutput += isOn.map { $0 ? 1 : 0 }
        case .text:
            let lines = isOn.enumerated().map { "CH\($0.offset + 1):\($0.element ? "ON" : "OFF") \r\n" }
            pendingOutput += Array(lines.joined().utf8)
        }
    }
}
