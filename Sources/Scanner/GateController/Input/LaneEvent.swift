package import AccessControl
package import LinuxSystem
package import ScanModel

/// Events that other threads send to the lane through its inbox.
package enum LaneEvent: Sendable {
    /// From the reader with this index, in the order of `Lane.Settings.readers`.
    case reader(Int, ReaderEvent)
    /// The sensor behind the turnstile detected a passage.
    case passage
    /// `nil` if the turnstile works.
    case turnstile(problem: TurnstileProblem?)
    /// `nil` if the passage sensor works. While it does not, no admission is annulled.
    case sensor(problem: PassageSensorProblem?)
    /// From an operator. `reply` is called once, on the lane's thread, and must not wait.
    case command(LaneCommand, reply: @Sendable (CommandResult) -> Void)
}

/// An event with its time of arrival.
///
/// While the disk is slow, events wait in the inbox. Taps and passages count from their arrival.
package struct TimestampedEvent: Sendable {
    /// The event.
    package var event: LaneEvent
    /// Device clock, in milliseconds since 1970-01-01 UTC.
    package var atMs: Int64
    /// Monotonic clock, in milliseconds.
    package var monotonicMs: Int64

    /// Stamps an event with the present time of this machine.
    package init(_ event: LaneEvent) {
        let time = LaneTime.device
        self.init(event, atMs: time.nowMs(), monotonicMs: time.monotonicMs())
    }

    /// Creates an event with a given time of arrival.
    ///
    /// - Parameters:
    ///   - event: the event.
    ///   - atMs: device clock, in milliseconds since 1970-01-01 UTC.
    ///   - monotonicMs: monotonic clock, in milliseconds.
    package init(_ event: LaneEvent, atMs: Int64, monotonicMs: Int64) {
        self.event = event
        self.atMs = atMs
        self.monotonicMs = monotonicMs
    }
}

/// A command of an operator, received over the control socket.
package enum LaneCommand: Hashable, Sendable {
    /// Admits one person manually.
    ///
    /// - Parameters:
    ///   - tag: names the person's tag; `nil` without a tag.
    ///   - reason: kept in the journal and in the log.
    case admit(ManualTag?, reason: String)
    /// Sets the mode of the lane until the next such command, also across restarts.
    ///
    /// - Parameter reason: kept in the journal and in the log; `nil` without one.
    case mode(LaneMode, reason: String? = nil)
    /// Assigns a gate by its name, also across restarts.
    ///
    /// - Parameter gate: `nil` returns to the configured gate, or the scanner's own.
    case assign(gate: String?)
}

/// How an operator names a tag.
package enum ManualTag: Hashable, Sendable {
    /// The UID of a chip.
    case uid([UInt8])
    /// The text of a code.
    case code(CodeText)
    /// The tag ID, as in the center's database and in its list.
    case id(TagID)
}

/// The result of a command, as the operator reads it.
package enum CommandResult: Hashable, Sendable {
    case done(String)
    case rejected(String)
}

/// Why the turnstile does not work.
package enum TurnstileProblem: Error, Hashable, CustomStringConvertible {
    case boardNotResponding
    /// A relay did not switch.
    ///
    /// - Parameter isOn: whether it should be on.
    case relayStuck(channel: Int, isOn: Bool)
    /// The board has fewer channels than the settings use.
    case tooFewChannels(count: Int, used: Int)
    /// A system call on the port failed.
    case system(SystemError)
    /// Any other error, by its description.
    case other(String)

    /// Classifies an error of the relay board.
    package init(_ error: any Error) {
        switch error {
        case let problem as TurnstileProblem: self = problem
        case let error as SystemError: self = .system(error)
        default: self = .other("\(error)")
        }
    }

    /// Plain English, for log and status.
    package var description: String {
        switch self {
        case .boardNotResponding: "the relay board does not answer"
        case .relayStuck(let channel, let isOn): "relay \(channel) does not switch \(isOn ? "on" : "off")"
        case .tooFewChannels(let count, let used): "the relay board has \(count) channels, channel \(used) is used"
        case .system(let error): error.description
        case .other(let text): text
        }
    }
}

/// Why the passage sensor does not work.
package enum PassageSensorProblem: Hashable, Sendable, CustomStringConvertible {
    /// A system call on the port failed.
    case system(SystemError)
    /// Any other error, by its description.
    case other(String)

    /// Classifies an error of the port.
    package init(_ error: any Error) {
        self = (error as? SystemError).map(PassageSensorProblem.system) ?? .other("\(error)")
    }

    /// Plain English, for the log.
    package var description: String {
        switch self {
        case .system(let error): error.description
        case .other(let text): text
        }
    }
}
