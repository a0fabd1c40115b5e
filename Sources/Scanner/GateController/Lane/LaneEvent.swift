package import AccessControl
package import ScanModel

/// What reaches the lane's thread from other threads, through one bounded mailbox.
package enum LaneEvent: Sendable {
    /// From the reader of this index, in the order of `--reader`.
    case reader(Int, ReaderEvent)
    /// The sensor behind the turnstile saw somebody pass.
    case passage
    /// Nil: the turnstile works; else what is wrong, in words for the crew.
    case turnstile(problem: String?)
    /// Nil: the passage sensor works; else what is wrong. While something is, a passage that was not seen annuls nobody.
    case sensor(problem: String?)
    /// From the gate chief. `answer` is called once, on the lane's thread, and must not wait.
    case order(LaneCommand, answer: @Sendable (CommandResult) -> Void)

    /// Places in the mailbox: more than a crowd can tap while one journal write is slow.
    package static let capacity = 256
}

/// What the gate chief orders through the local socket.
package enum LaneCommand: Hashable, Sendable {
    /// Lets one person in by hand: with the UID of their band, or without any.
    case admit(uid: [UInt8]?, reason: String)
    case mode(LaneMode)
    /// Nil: back to the scanner's default, or `--gate`.
    case assign(gate: String?)
}

/// What came of an order.
package enum CommandResult: Hashable, Sendable {
    case done(String)
    case refused(String)
}
