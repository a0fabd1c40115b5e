import FileSystem
import LinuxSystem
import Runtime
import Synchronization

/// A device on a pseudo-terminal: its thread, its port, and the cable, which can be pulled and put back.
///
/// The port's name is a symbolic link and stays the same when the device is plugged in again. Without the link, a number
/// under /dev/pts that was freed may be another test's port by then.
final class EmulatedPort<Device: EmulatedDevice>: Sendable {
    private enum Order: Sendable {
        case look
        case unplug(StopSignal)
        case plug(PseudoTerminal, StopSignal)
        case close(StopSignal)
    }

    /// What programs open.
    let path: String
    private let ownFolder: String?
    private let device: Mutex<Device>
    private let orders = Mailbox<Order>(capacity: 1_024)

    /// Longest wait for the thread to put the port away, ms: it never sleeps longer than a write(2).
    private static var closeLimitMs: Int { 5_000 }
    /// How often the thread looks whether a program has opened the port, ms: nothing signals that.
    private static var openLookMs: Int { 5 }

    /// Plugs the device in.
    /// - Parameter link: where the port's name shall be; nil: in a new folder, which goes with the device.
    /// Throws `SystemError`.
    init(_ device: Device, link: String?) throws {
        ownFolder = link == nil ? try Files.makeTemporaryFolder("tapline-port") : nil
        path = link ?? ownFolder! + "/port"
        self.device = Mutex(device)
        let terminal = try PseudoTerminal()
        try terminal.link(at: path)
        NamedThread("emulation") { self.run() }
        // By an order, not by the closure, which would keep the port open for ever.
        tell { .plug(terminal, $0) }
    }

    /// Reads or changes the device; what it has to say after that is sent at once.
    func with<Result: Sendable>(_ body: (inout sending Device) throws -> sending Result) rethrows -> Result {
        // One look is enough for all that happened before it.
        defer { if orders.count == 0 { orders.send(.look) } }
        return try device.withLock(body)
    }

    /// Pulls the cable: the name is gone, and the program's end is hung up when this returns.
    func unplug() {
        PseudoTerminal.removeLink(path)
        tell { .unplug($0) }
        device.withLock { $0.power(false, nowMs: SystemClock.monotonicMs()) }
    }

    /// Puts the cable back, under the same name. Throws `SystemError`.
    func plug() throws {
        let terminal = try PseudoTerminal()
        device.withLock { $0.power(true, nowMs: SystemClock.monotonicMs()) }
        // Only then the name: what the device says to whoever opens it must not be lost.
        tell { .plug(terminal, $0) }
        try terminal.link(at: path)
    }

    /// For good.
    func close() {
        PseudoTerminal.removeLink(path)
        tell { .close($0) }
        if let ownFolder { try? Files.removeFolder(ownFolder) }
    }

    private func tell(_ order: (StopSignal) -> Order) {
        let done = StopSignal()
        guard orders.send(order(done)) else { return }
        done.wait(ms: EmulatedPort.closeLimitMs)
    }

    private func run() {
        var terminal: PseudoTerminal?
        while true {
            let now = SystemClock.monotonicMs()
            let (output, deadline) = device.withLock { ($0.output(nowMs: now), $0.deadlineMs) }
            // A line without a reader loses bytes, and so does this one.
            if !output.isEmpty { try? terminal?.write(output) }
            let timeoutMs = deadline.map { Int(max(0, $0 - now)) } ?? -1
            let ports = terminal.map { [$0.descriptor] } ?? []
            let isReadable = Poll.wait([orders.descriptor] + ports, timeoutMs: timeoutMs).dropFirst().contains(true)
            if isReadable, let bytes = terminal?.read(timeoutMs: 0) {
                if bytes.isEmpty {
                    _ = Poll.wait([orders.descriptor], timeoutMs: EmulatedPort.openLookMs)
                } else {
                    device.withLock { $0.receive(bytes, nowMs: SystemClock.monotonicMs()) }
                }
            }
            for order in orders.drain() {
                switch order {
                case .look: break
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
