/// What plays a piece of hardware on a serial line: a pure state machine, so that time is an argument and tests need no clock.
///
/// `EmulatedPort` runs it on a pseudo-terminal.
package protocol EmulatedDevice: Sendable {
    /// Takes what the program wrote.
    mutating func receive(_ bytes: [UInt8], nowMs: Int64)

    /// What the device says now; empty when it has nothing to say.
    mutating func output(nowMs: Int64) -> [UInt8]

    /// When it will have something to say without being asked, by the same clock; nil: never.
    var deadlineMs: Int64? { get }

    /// It was plugged in, or pulled out; either way it forgets all that it does not know without power.
    mutating func power(_ isOn: Bool, nowMs: Int64)
}
