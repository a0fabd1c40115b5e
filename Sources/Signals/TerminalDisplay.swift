public import Gate
public import Runtime
internal import Serial

/// The screen at the lane, on a terminal: full-screen green or red with a shape and the reason, and between taps an idle screen.
///
/// A screen that is slow, stopped or gone keeps nobody: the lane posts and goes on.
public final class TerminalDisplay: Sendable {
    private let language: DisplayLanguage
    private let terminal: Terminal
    private let notices = Mailbox<LaneNotice>(capacity: 64)

    /// - Parameter descriptor: of the terminal; standard output unless told otherwise.
    public init(language: DisplayLanguage = .en, descriptor: Int32 = 1) {
        self.language = language
        terminal = Terminal(descriptor: descriptor)
    }

    /// From the lane, which does not wait.
    public func take(_ notice: LaneNotice) { notices.send(notice) }

    public func service() -> Service {
        Service.thread("display") { stop in
            while !stop.isStopped {
                _ = Poll.wait([self.notices.descriptor, stop.descriptor], timeoutMs: -1)
                _ = self.notices.drain()
            }
        }
    }
}
