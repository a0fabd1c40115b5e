import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import Synchronization

/// The control socket: a Unix socket in the data folder, through which operators send commands to the running lane.
///
/// File mode 0660 limits it to the gate's user and group on the same device. The server has its own thread.
/// It waits for the lane for a limited time, so a slow client never delays a tap.
package final class ControlServer: Sendable {
    /// Owner and group: the gate's user, and the supervisors in its group.
    static let mode: UInt32 = 0o660
    /// Time for a client to send its line, in milliseconds.
    static let requestMs = 2_000
    /// Time for the lane to reply, in milliseconds: longer than one slow journal write.
    static let replyMs = 5_000

    private let socket: LocalSocket
    private let path: String
    private let inbox: LaneInbox
    private let stop = StopSignal()
    private let ended = StopSignal()

    /// Listens. Replaces a socket that a killed gate left, so the caller must hold the folder's gate lock.
    ///
    /// - Parameter inbox: receives the commands.
    /// - Throws: `SystemError`.
    package init(folder: String, inbox: LaneInbox) throws {
        path = DataFolderPaths.controlSocket(folder)
        self.inbox = inbox
        socket = try LocalSocket.listen(path, mode: ControlServer.mode)
        NamedThread("control") { [socket, inbox, stop, ended] in
            while !stop.isStopped {
                _ = Poll.wait([socket.descriptor, stop.descriptor], timeoutMs: -1)
                guard !stop.isStopped, let client = socket.accept() else { continue }
                ControlServer.serve(client, inbox, stop)
            }
            ended.stop()
        }
    }

    /// Waits for the present client, ends the thread and removes the socket.
    package func close() {
        stop.stop()
        ended.wait(ms: ControlServer.requestMs + ControlServer.replyMs)
        try? Files.remove(path)
    }

    private static func serve(_ client: LocalSocket, _ inbox: LaneInbox, _ stop: StopSignal) {
        guard let line = client.readLine(withinMs: requestMs, or: stop) else { return }
        switch ControlMessage.command(line) {
        case .failure(let error): client.writeLine(ControlMessage.line(.rejected(error.description)))
        case .success(let command):
            let slot = ReplySlot()
            let isSent = inbox.send(TimestampedEvent(.command(command) { result in slot.put(result) }))
            let result = isSent ? slot.wait(stop) : nil
            client.writeLine(ControlMessage.line(result ?? .rejected("the lane does not answer: check its display")))
        }
    }
}

/// Passes a result from the lane's thread to the thread of the control socket.
private final class ReplySlot: Sendable {
    private let result = Mutex<CommandResult?>(nil)
    private let isSet = StopSignal()

    func put(_ result: CommandResult) {
        self.result.withLock { $0 = result }
        isSet.stop()
    }

    func wait(_ stop: StopSignal) -> CommandResult? {
        _ = Poll.wait([isSet.descriptor, stop.descriptor], timeoutMs: ControlServer.replyMs)
        return result.withLock { $0 }
    }
}
