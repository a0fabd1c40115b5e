import CLI
import FileSystem
import LinuxSystem
package import Runtime
import Synchronization

/// The gate chief's desk: a socket in the data folder through which orders reach the running lane. Who may write to its file,
/// mode 0660, may give orders; nobody else, and nobody from another device.
///
/// Runs on a thread of its own and waits for the lane only so long: a client that is slow, or gone, costs the lane nothing.
package final class ControlServer: Sendable {
    /// The owner and the group: the gate's user, and the chiefs who are in its group.
    static let mode: UInt32 = 0o660
    /// For a client to send its line.
    static let requestMs = 2_000
    /// For the lane to answer: one slow journal write and more.
    static let answerMs = 5_000

    package static func path(_ folder: String) -> String { folder + "/gate.sock" }

    private let socket: LocalSocket
    private let path: String
    private let mailbox: Mailbox<TimestampedEvent>
    private let stop = StopSignal()
    private let ended = StopSignal()

    /// Listens. To be called by the holder of the folder's gate lock: a socket left by a gate that was killed is replaced.
    /// Throws `SystemError`.
    package init(folder: String, _ mailbox: Mailbox<TimestampedEvent>) throws {
        path = ControlServer.path(folder)
        self.mailbox = mailbox
        socket = try LocalSocket.listen(path, mode: ControlServer.mode)
        NamedThread("desk") { [socket, mailbox, stop, ended] in
            while !stop.isStopped {
                _ = Poll.wait([socket.descriptor, stop.descriptor], timeoutMs: -1)
                guard !stop.isStopped, let client = socket.accept() else { continue }
                ControlServer.serve(client, mailbox, stop)
            }
            ended.stop()
        }
    }

    /// Ends the thread and takes the socket away; waits for the client in hand.
    package func close() {
        stop.stop()
        ended.wait(ms: ControlServer.requestMs + ControlServer.answerMs)
        try? Files.remove(path)
    }

    private static func serve(_ client: LocalSocket, _ mailbox: Mailbox<TimestampedEvent>, _ stop: StopSignal) {
        guard let line = client.readLine(withinMs: requestMs, or: stop) else { return }
        switch ControlMessage.order(line) {
        case .failure(let error): client.writeLine(ControlMessage.line(.refused(error.description)))
        case .success(let order):
            let slot = AnswerSlot()
            let taken = mailbox.send(TimestampedEvent(.order(order) { answer in slot.put(answer) }))
            let answer = taken ? slot.wait(stop) : nil
            client.writeLine(ControlMessage.line(answer ?? .refused("the lane does not answer; look at its display")))
        }
    }

    /// Gives an order to the gate that runs in the folder, and waits for its answer. Throws `ProgramError`: unreachable where
    /// no gate runs or answers, failed where one may not ask.
    package static func ask(folder: String, _ order: LaneCommand) throws -> CommandResult {
        let socket: LocalSocket
        do { socket = try LocalSocket.connect(path(folder)) } catch let error as SystemError {
            throw error.isRefusal
                ? ProgramError.failed("\(error): the gate takes orders from its own user and group")
                : ProgramError.unreachable("no gate is running in \(folder) (\(error))")
        }
        guard socket.writeLine(ControlMessage.line(order)),
            let answer = socket.readLine(withinMs: requestMs + answerMs).flatMap(ControlMessage.answer)
        else { throw ProgramError.unreachable("the gate in \(folder) does not answer") }
        return answer
    }
}

/// Where the lane's thread leaves its answer for the desk's.
private final class AnswerSlot: Sendable {
    private let answer = Mutex<CommandResult?>(nil)
    private let told = StopSignal()

    func put(_ given: CommandResult) {
        answer.withLock { $0 = given }
        told.stop()
    }

    func wait(_ stop: StopSignal) -> CommandResult? {
        _ = Poll.wait([told.descriptor, stop.descriptor], timeoutMs: ControlServer.answerMs)
        return answer.withLock { $0 }
    }
}

extension SystemError {
    /// One may not (EACCES 13, EPERM 1).
    fileprivate var isRefusal: Bool { code == 13 || code == 1 }
}

extension Lane {
    /// `run`, with the desk open beside it. A desk that cannot be opened keeps no lane shut.
    package func runWithDesk(_ input: LineInput?, stop: StopSignal) throws {
        let desk: ControlServer?
        do { desk = try ControlServer(folder: settings.folder, mailbox) } catch {
            log.error("the gate chief's socket cannot be opened", [.error: "\(error)"])
            (desk, deskProblem) = (nil, "no socket for orders")
        }
        defer { desk?.close() }
        try run(input, stop: stop)
    }
}
