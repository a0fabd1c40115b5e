import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

struct MailboxTests {
    private func isReadable(_ descriptor: Int32) -> Bool { Poll.wait([descriptor], timeoutMs: 0)[0] }

    @Test func fullMailboxRejectsElementsAndKeepsTheOthers() {
        let mailbox = Mailbox<Int>(capacity: 3)
        #expect((1...5).map { mailbox.send($0) } == [true, true, true, false, false])
        #expect(mailbox.count == 3)
        #expect(mailbox.drain() == [1, 2, 3])
        #expect(mailbox.send(6))
        #expect(mailbox.drain() == [6])
        #expect(mailbox.drain().isEmpty)
    }

    @Test func lastStateIsNeverDropped() {
        let mailbox = Mailbox<Int>(capacity: 3)
        // Negative numbers are states.
        for number in [-1, -2, 1, 2, 3, 4, 5] { mailbox.push(number) { $0 < 0 } }
        #expect(mailbox.drain() == [-2, 4, 5])
        for number in [1, 2, 3, -3] { mailbox.push(number) { $0 < 0 } }
        #expect(mailbox.drain() == [1, 2, 3, -3])
        #expect(!isReadable(mailbox.descriptor))
    }

    @Test func descriptorIsReadableWhileMailboxHasElements() {
        let mailbox = Mailbox<Int>(capacity: 10)
        #expect(!isReadable(mailbox.descriptor))
        for number in 1...5 { mailbox.send(number) }
        #expect(isReadable(mailbox.descriptor))
        #expect(mailbox.drain(atMost: 2) == [1, 2])
        #expect(isReadable(mailbox.descriptor))
        #expect(mailbox.drain(atMost: 3) == [3, 4, 5])
        #expect(!isReadable(mailbox.descriptor))
    }

    @Test func receiveReturnsNothingAfterTimeout() {
        let mailbox = Mailbox<Int>(capacity: 1)
        let start = SystemClock.monotonicMs()
        #expect(mailbox.receive(timeoutMs: 30).isEmpty)
        #expect(SystemClock.monotonicMs() - start >= 29)
    }

    /// A lost wake-up would block the reader for ever, so the time limit is the assertion.
    @Test(.timeLimit(.minutes(1))) func everySendWakesTheReader() async {
        let mailbox = Mailbox<(Int, Int)>(capacity: 16)
        let (senders, each) = (4, 5_000)
        let threads = (0..<senders).map { sender in
            NamedThread("sender") {
                for number in 0..<each {
                    while !mailbox.send((sender, number)) { sched_yield() }
                }
            }
        }
        let received = Recorder<[Int]>()
        let reader = NamedThread("reader") {
            var next = [Int](repeating: 0, count: senders)
            while next.contains(where: { $0 < each }) {
                for (sender, number) in mailbox.receive(timeoutMs: -1, atMost: 5) {
                    guard next[sender] == number else { return received.record(next) }
                    next[sender] += 1
                }
            }
            received.record(next)
        }
        await reader.end()
        for thread in threads { await thread.end() }
        #expect(received.all == [[Int](repeating: each, count: senders)])
        #expect(!isReadable(mailbox.descriptor))
    }
}
