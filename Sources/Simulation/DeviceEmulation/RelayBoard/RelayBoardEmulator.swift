import LinuxSystem

/// An LCUS relay board with 1, 2, 4 or 8 channels on a pseudo-terminal. Records every movement of its relays.
///
/// All calls are thread-safe. The board is unplugged when the object is released.
package final class RelayBoardEmulator: Sendable {
    /// A movement of one relay.
    package struct Change: Equatable, Sendable {
        /// The channel, from 1.
        package let channel: Int
        /// The state of the relay after the movement.
        package let isOn: Bool
        /// Time by `SystemClock.monotonicMs`.
        package let atMs: Int64
    }

    /// The reply to a query of the states (`FF`). Boards of the same name differ.
    package enum Reply: String, CaseIterable, Sendable {
        /// No reply, like an LCUS-1.
        case none
        /// One line per channel: `CH1:ON `.
        case text
        /// One byte per channel, 0 or 1.
        case bytes
    }

    private let port: EmulatedPort<EmulatedRelayBoard>

    /// - Parameters:
    ///   - channels: 1, 2, 4 or 8.
    ///   - reply: `nil` for no reply from a board with one channel, and text from larger boards.
    ///   - link: the path of the port; `nil` for a path in a new folder.
    /// - Throws: `SystemError`.
    package init(channels: Int, reply: Reply? = nil, link: String? = nil) throws {
        precondition([1, 2, 4, 8].contains(channels), "a board has 1, 2, 4 or 8 channels")
        port = try EmulatedPort(
            EmulatedRelayBoard(channels: channels, reply: reply ?? (channels == 1 ? .none : .text)), link: link)
    }

    deinit { port.close() }

    /// The path that programs open; `unplug` and `plug` do not change it.
    package var path: String { port.path }

    /// Whether each relay is on, channel 1 first.
    package var states: [Bool] { port.with { $0.isOn } }

    /// Whether the relay of a channel, from 1, is on.
    package func isOn(_ channel: Int) -> Bool { states[channel - 1] }

    /// Every movement of a relay, including those by a loss of power.
    package var changes: [Change] { port.with { $0.changes } }

    /// Number of valid commands, including those that moved no relay.
    package var commands: Int { port.with { $0.commands } }

    /// Number of frames with an invalid sum, channel or state.
    package var badFrames: Int { port.with { $0.badFrames } }

    /// Whether the board ignores all input and its relays do not move, like a board with a hung USB chip.
    package var isStuck: Bool {
        get { port.with { $0.isStuck } }
        set { port.with { $0.isStuck = newValue } }
    }

    /// Channels, from 1, whose relays do not move. The board still counts commands and reports the true states.
    package var jammed: Set<Int> {
        get { port.with { $0.jammed } }
        set { port.with { $0.jammed = newValue } }
    }

    /// Interrupts the supply of the relays: all are released. The USB chip keeps its power, so programs notice nothing.
    package func brownOut() { port.with { $0.power(true, nowMs: SystemClock.monotonicMs()) } }

    /// Unplugs the cable: relays are released, programs receive a hang-up, and the path is removed.
    package func unplug() { port.unplug() }

    /// Plugs the cable in again under the same path, with all relays off.
    ///
    /// - Throws: `SystemError`.
    package func plug() throws { try port.plug() }
}
