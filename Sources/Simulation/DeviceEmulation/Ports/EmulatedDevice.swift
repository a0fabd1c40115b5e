/// The state machine of a device on a serial line, without clock or I/O. `EmulatedPort` runs it on a pseudo-terminal.
///
/// Times are in milliseconds, by a clock that never steps.
package protocol EmulatedDevice: Sendable {
    /// Processes bytes that the program wrote.
    mutating func receive(_ bytes: [UInt8], nowMs: Int64)

    /// Returns the bytes that the device sends now, and removes them from the device.
    mutating func output(nowMs: Int64) -> [UInt8]

    /// The time at which the device sends bytes unasked; `nil` for never.
    var deadlineMs: Int64? { get }

    /// Connects or disconnects the power. Either way the device loses its volatile state.
    mutating func power(_ isOn: Bool, nowMs: Int64)
}
