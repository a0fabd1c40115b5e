/// A device that sends lines on a pseudo-terminal: a code scanner in serial mode, or a passage sensor.
///
/// All calls are thread-safe. The device is unplugged when the object is released.
package final class LineEmulator: Sendable {
    private let port: EmulatedPort<LineDevice>
    private let ending: [UInt8]

    /// - Parameters:
    ///   - ending: the characters that end each line.
    ///   - link: the path of the port; `nil` for a path in a new folder.
    /// - Throws: `SystemError`.
    package init(ending: String = "\r\n", link: String? = nil) throws {
        self.ending = Array(ending.utf8)
        port = try EmulatedPort(LineDevice(), link: link)
    }

    deinit { port.close() }

    /// The path that programs open; `unplug` and `plug` do not change it.
    package var path: String { port.path }

    /// Sends one line, with its ending.
    package func send(line: String) { send(Array(line.utf8) + ending) }

    /// Sends bytes unchanged.
    package func send(_ bytes: [UInt8]) { port.with { $0.pendingOutput += bytes } }

    /// The bytes that the program wrote, at most 64 KiB.
    package var received: [UInt8] { port.with { $0.received } }

    /// Unplugs the cable: programs receive a hang-up, and the path is removed.
    package func unplug() { port.unplug() }

    /// Plugs the cable in again, under the same path.
    ///
    /// - Throws: `SystemError`.
    package func plug() throws { try port.plug() }
}

/// Sends what it is given, and records what it receives.
struct LineDevice: EmulatedDevice {
    var pendingOutput: [UInt8] = []
    private(set) var received: [UInt8] = []

    /// Maximum size of `received`, in bytes.
    private static let receivedLimitBytes = 65_536

    var deadlineMs: Int64? { nil }

    mutating func power(_ isOn: Bool, nowMs: Int64) { pendingOutput = [] }

    mutating func receive(_ bytes: [UInt8], nowMs: Int64) {
        received += bytes.prefix(max(0, LineDevice.receivedLimitBytes - received.count))
    }

    mutating func output(nowMs: Int64) -> [UInt8] {
        defer { pendingOutput = [] }
        return pendingOutput
    }
}
