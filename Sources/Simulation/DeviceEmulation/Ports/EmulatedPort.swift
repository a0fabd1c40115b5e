import FileSystem
import LinuxSystem
import Runtime
import Synchronization

/// A device on a pseudo-terminal, with its own thread and a cable that can be unplugged.
///
/// The path of the port is a symbolic link. It stays the same when the device is plugged in again. A number under
/// /dev/pts can belong to another process after it was freed.
final class EmulatedPort<Device: EmulatedDevice>: Sendable {
    private enum Command: Sendable {
        /// Sends the output of the device.
        case flush
        case unplug(StopSignal)
        case plug(PseudoTerminal, StopSignal)
        case close(StopSignal)
    }

    /// The path that programs open.
    let path: String
    private let ownFolder: String?
    private let device: Mutex<Device>
    private let commands = Mailbox<Command>(capacity: 1_024)

    /// Time limit for the thread to execute a command, in milliseconds. The thread never blocks longer than a write(2).
    private static var commandLimitMs: Int { 5_000 }
    /// Interval at which the thread polls whether a program has opened the port, in milliseconds. No signal reports
    /// that.
    private static var openPollMs: Int { 5 }

    /// Plugs the device in.
    ///
    /// - Parameter link: the path of the port; `nil` for a path in a new folder, which is removed with the device.
    /// - Throws: `SystemError`.
    init(_ device: Device, link: String?) throws {
        ownFolder = link == nil ? try Files.makeTemporaryFolder("tapline-port") : nil
        path = link ?? ownFolder! + "/port"
        self.device = Mutex(device)
        let terminal = try PseudoTerminal()
        try terminal.link(at: path)
        NamedThread("emulation") { self.run() }
        // As a command, because the closure would keep the terminal open after `unplug`.
        execute { .plug(terminal, $0) }
    }

    /// Reads or changes the device, and sends its output.
    func with<Result: Sendable>(_ body: (inout sending Device) throws -> sending Result) rethrows -> Result {
        // One pending command flushes all changes before it.
        defer { if commands.count == 0 { commands.send(.flush) } }
        return try device.withLock(body)
    }

    /// Unplugs the cable. When this returns, the link is removed and the program's side has received a hang-up.
    func unplug() {
        PseudoTerminal.removeLink(path)
        execute { .unplug($0) }
        device.withLock { $0.power(false, nowMs: SystemClock.monotonicMs()) }
    }

    /// Plugs the cable in again, under the same path.
    ///
    /// - Throws: `SystemError`.
    func plug() throws {
        let terminal = try PseudoTerminal()
        device.withLock { $0.power(true, nowMs: SystemClock.monotonicMs()) }
        // The link comes last, so that the device answers the first program that opens it.
        execute { .plug(terminal, $0) }
        try terminal.link(at: path)
    }

    /// Unplugs the cable and ends the thread.
    func close() {
        PseudoTerminal.removeLink(path)
        execute { .close($0) }
        if let ownFolder { try? Files.removeFolder(ownFolder) }
    }

    private func execute(_ command: (StopSignal) -> Command) {
        let done = StopSignal()
        guard commands.send(command(done)) else { return }
        done.wait(ms: EmulatedPort.commandLimitMs)
    }

    private func run() {
        var terminal: PseudoTerminal?
        while true {
            let now = SystemClock.monotonicMs()
            let (output, deadline) = device.withLock { ($0.output(nowMs: now), $0.deadlineMs) }
            // A serial line without a reader loses bytes, so write errors are ignored.
            if !output.isEmpty { try? terminal?.write(output) }
            let timeoutMs = deadline.map { Int(max(0, $0 - now)) } ?? -1
            let ports = terminal.map { [$0.descriptor] } ?? []
            let isReadable = Poll.wait([commands.descriptor] + ports, timeoutMs: timeoutMs).dropFirst().contains(true)
            if isReadable, let bytes = terminal?.read(timeoutMs: 0) {
                if bytes.isEmpty {
                    _ = Poll.wait([commands.descriptor], timeoutMs: EmulatedPort.openPollMs)
                } else {
                    device.withLock { $0.receive(bytes, nowMs: SystemClock.monotonicMs()) }
                }
            }
            for command in commands.drain() {
                switch command {
                case .flush: break
                case .plug(let new, let done):
                    terminal = new
                    done.stop()
                case .unplug(let done):
                    terminal = nil
                    done.stop()
                case .close(let done):
                    terminal = nil
                    return done.stop()
                }
            }
        }
    }
}

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
