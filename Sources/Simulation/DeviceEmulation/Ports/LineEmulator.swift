/// A device that only speaks: a code scanner in serial mode, or a passage sensor, on a pseudo-terminal.
///
/// All calls are safe from any thread. Unplugged for good when the object goes.
package final class LineEmulator: Sendable {
    private let port: EmulatedPort<Speaker>
    private let ending: [UInt8]

    /// - Parameters:
    ///   - ending: what the device sends after each line.
    ///   - link: the port's name; nil: one in a new folder.
    /// Throws `SystemError`.
    package init(ending: String = "\r\n", link: String? = nil) throws {
        self.ending = Array(ending.utf8)
        port = try EmulatedPort(Speaker(), link: link)
    }

    deinit { port.close() }

    /// What a program opens; the same after `unplug` and `plug`.
    package var path: String { port.path }

    /// Sends one line.
    package func send(line: String) { send(Array(line.utf8) + ending) }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) { port.with { $0.speech += bytes } }

    /// What the program has written to it.
    package var heard: [UInt8] { port.with { $0.heard } }

    /// Pulls the cable: programs see a hang-up, and the name is gone.
    package func unplug() { port.unplug() }

    /// Puts the cable back under the same name. Throws `SystemError`.
    package func plug() throws { try port.plug() }
}

struct Speaker: EmulatedDevice {
    var speech: [UInt8] = []
    private(set) var heard: [UInt8] = []

    /// What is kept of a program that talks to a device which does not listen, bytes.
    private static let heardLimitBytes = 65_536

    var deadlineMs: Int64? { nil }

    mutating func power(_ isOn: Bool, nowMs: Int64) { speech = [] }

    mutating func receive(_ bytes: [UInt8], nowMs: Int64) {
        heard += bytes.prefix(max(0, Speaker.heardLimitBytes - heard.count))
    }

    mutating func output(nowMs: Int64) -> [UInt8] {
        defer { speech = [] }
        return speech
    }
}
