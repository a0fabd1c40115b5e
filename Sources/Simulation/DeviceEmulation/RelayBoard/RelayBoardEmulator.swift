import LinuxSystem

/// An LCUS relay board of 1, 2, 4 or 8 channels on a pseudo-terminal, which remembers every movement of its relays.
///
/// All calls are safe from any thread. Unplugged for good when the object goes.
package final class RelayBoardEmulator: Sendable {
    /// One relay moved.
    package struct Change: Equatable, Sendable {
        /// From 1.
        package let channel: Int
        package let isOn: Bool
        /// By the clock that never steps (`SystemClock.monotonicMs`).
        package let atMs: Int64
    }

    /// What it says when asked for its state with `FF`. Boards of the same name differ.
    package enum Reply: String, CaseIterable, Sendable {
        /// Nothing, as an LCUS-1.
        case none
        /// A line a channel: `CH1:ON `.
        case text
        /// A byte a channel, 0 or 1.
        case bytes
    }

    private let port: EmulatedPort<EmulatedRelayBoard>

    /// - Parameters:
    ///   - reply: nil: nothing with one channel, else text.
    ///   - link: the port's name; nil: one in a new folder.
    /// Throws `SystemError`.
    package init(channels: Int, reply: Reply? = nil, link: String? = nil) throws {
        precondition([1, 2, 4, 8].contains(channels), "there are boards with 1, 2, 4 and 8 channels")
        port = try EmulatedPort(
            EmulatedRelayBoard(channels: channels, reply: reply ?? (channels == 1 ? .none : .text)), link: link)
    }

    deinit { port.close() }

    /// What a program opens; the same after `unplug` and `plug`.
    package var path: String { port.path }

    /// Which relays are pulled, channel 1 first.
    package var states: [Bool] { port.with { $0.isOn } }

    /// Whether the relay of a channel, from 1, is pulled.
    package func isOn(_ channel: Int) -> Bool { states[channel - 1] }

    /// Every movement since it was made, also those by a pulled cable.
    package var changes: [Change] { port.with { $0.changes } }

    /// Commands understood, whether they moved a relay or not.
    package var commands: Int { port.with { $0.commands } }

    /// Frames that a board does not obey: wrong sum, channel or state.
    package var badFrames: Int { port.with { $0.badFrames } }

    /// Hears and says nothing, its relays stay as they are: what a hung USB chip does.
    package var isStuck: Bool {
        get { port.with { $0.isStuck } }
        set { port.with { $0.isStuck = newValue } }
    }

    /// Relays, from 1, that stay as they are: the board hears, counts and answers, and says truly how they stand.
    package var jammed: Set<Int> {
        get { port.with { $0.jammed } }
        set { port.with { $0.jammed = newValue } }
    }

    /// The relays' supply fails for a moment: all fall, while the USB chip stays and programs notice nothing.
    package func brownOut() { port.with { $0.power(true, nowMs: SystemClock.monotonicMs()) } }

    /// Pulls the cable: relays fall, programs see a hang-up, the name is gone.
    package func unplug() { port.unplug() }

    /// Puts the cable back under the same name, all relays off. Throws `SystemError`.
    package func plug() throws { try port.plug() }
}
