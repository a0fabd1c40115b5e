import DeviceEmulation
import FileSystem
import Glibc
import Runtime
import ScanModel
import Synchronization
import TestSupport
import Testing

@testable import Readers

/// Code readers on pseudo-terminals and pipes.
struct CodeReaderTests {
    /// A reader on a separate thread, and its events.
    private final class Running: Sendable {
        let stop = StopSignal()
        private let events = Mutex<[ReaderEvent]>([])
        private let thread = Mutex<NamedThread?>(nil)
        /// Whether the lane takes no events, as with a full mailbox.
        let isFull = Atomic(false)
        private let refusals = Mutex<[ReaderEvent]>([])

        init(
            _ path: String, direction: Direction = .in, mode: CodeReader.Mode = .automatic, isFull: Bool = false
        ) {
            self.isFull.store(isFull, ordering: .releasing)
            let reader = CodeReader(path: path, direction: direction, mode: mode, settledMs: 50) { [self] event in
                let isRefused = self.isFull.load(ordering: .acquiring)
                if isRefused {
                    refusals.withLock { $0.append(event) }
                } else {
                    events.withLock { $0.append(event) }
                }
                return !isRefused
            }
            let stop = stop
            thread.withLock { $0 = NamedThread("test-codes") { reader.run(stop) } }
        }

        var all: [ReaderEvent] { events.withLock { $0 } }
        var refused: [ReaderEvent] { refusals.withLock { $0 } }
        var codes: [String] {
            all.compactMap { event in
                guard case .tap(let tap) = event, case .code(let code) = tap.identity else { return nil }
                return code.text
            }
        }
        /// The events `back` (`true`) and `lost` (`false`), in order.
        var changes: [Bool] {
            all.compactMap { event in
                switch event {
                case .lost: false
                case .back: true
                case .tap, .dropped: nil
                }
            }
        }

        func end() async {
            stop.stop()
            await thread.withLock { $0 }?.end()
        }
    }

    @Test func codesAreReadFromSerialPort() async throws {
        let terminal = try PseudoTerminal()
        let reader = Running(terminal.path, direction: .out)
        try eventually("the port is open", everyMs: 5) { reader.all == [.back] }
        try terminal.write(Array("TICKET-1\r\n".utf8))
        try eventually("a code", everyMs: 5) { reader.codes == ["TICKET-1"] }
        try terminal.write(Array("TICKET-2\r".utf8))
        try eventually("two codes", everyMs: 5) { reader.codes == ["TICKET-1", "TICKET-2"] }
        #expect(reader.all[1] == .tap(Tap(.code("TICKET-1"), proof: .code, direction: .out)))
        try terminal.write([0x1B, 0x5B, 0x41] + Array("\r".utf8))
        try eventually("noise is dropped", everyMs: 5) { reader.all.last == .dropped(.noise, count: 1) }
        #expect(reader.all.count == 4)
        await reader.end()
    }

    /// The largest QR code has 2,953 bytes. With a line break after every third, it was 738 taps.
    @Test(arguments: [CodeReader.Mode.lines, .keyEvents])
    func codeFullOfLineBreaksGivesNoTap(mode: CodeReader.Mode) async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("scanner")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = Running(path, mode: mode)
        try eventually("the pipe is open", everyMs: 5) { reader.all == [.back] }
        let pipe = open(path, O_WRONLY | O_CLOEXEC)
        defer { close(pipe) }
        func show(_ text: String) {
            var rest = Array(text.utf8)[...]
            if mode == .keyEvents {
                // The keys of the letter `a` and of Enter.
                rest = text.utf8.flatMap { KeyboardWedgeTests.stroke($0 == UInt8(ascii: "\n") ? 28 : 30) }[...]
            }
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(pipe, $0.baseAddress!, min($0.count, 1_024)) }
                #expect(count > 0)
                rest = rest.dropFirst(max(count, 1))
            }
        }
        show(String(repeating: "aaa\n", count: 738))
        try eventually("noise", everyMs: 5) { reader.all.contains(.dropped(.noise, count: 1)) }
        // The showing is over when the next code is read.
        try eventually("the next code is a tap", everyMs: 2 * Int(CodeLines.showingMs)) {
            if reader.codes.isEmpty { show("aaaaa\n") }
            return reader.codes.last == "aaaaa"
        }
        #expect(Set(reader.codes) == ["aaaaa"])
        await reader.end()
    }

    /// A dropped line is reported at once, and an incomplete one although nothing follows it.
    @Test func droppedLinesAreReported() async throws {
        let terminal = try PseudoTerminal()
        let reader = Running(terminal.path)
        try eventually("the port is open", everyMs: 5) { reader.all == [.back] }
        try terminal.write(Array("GS\u{1D}CODE\r".utf8))
        try eventually("noise", everyMs: 5) { reader.all.last == .dropped(.noise, count: 1) }
        // A showing before the end of the former one is a part of it, and is shown again.
        func show(_ text: String, until read: DroppedRead, everyMs: Int) throws {
            try eventually("\(read)", everyMs: everyMs) {
                if reader.all.last == .dropped(read, count: 1) { return true }
                try? terminal.write(Array(text.utf8))
                return false
            }
        }
        let long = String(repeating: "x", count: CodeLines.limitBytes + 1) + "\r"
        try show(long, until: .tooLong, everyMs: 2 * Int(CodeLines.showingMs))
        try show("HALF", until: .incomplete, everyMs: 2 * Int(CodeLines.pauseMs))
        try terminal.write(Array("\u{1D}\r\u{1D}\r\u{1D}\r".utf8))
        try eventually("one showing counts once", everyMs: 5) {
            reader.all.reduce(0) { if case .dropped(_, let count) = $1 { $0 + count } else { $0 } } == 4
        }
        #expect(reader.codes.isEmpty)
        await reader.end()
    }

    @Test func codesAreReadFromPipe() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("scanner")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = Running(path)
        try eventually("the pipe is open", everyMs: 5) { reader.all == [.back] }
        // The pipe stays open when a writer closes it.
        for round in 1...3 {
            let pipe = open(path, O_WRONLY | O_CLOEXEC)
            #expect(pipe >= 0)
            let bytes = Array("CODE-\(round)\n".utf8)
            #expect(write(pipe, bytes, bytes.count) == bytes.count)
            close(pipe)
            try eventually("code \(round)", everyMs: 5) { reader.codes.count == round }
        }
        #expect(reader.changes == [true])
        await reader.end()
    }

    /// The pipe carries the key events of an input device.
    @Test func codesAreReadFromKeyEvents() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("keys")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = Running(path, mode: .keyEvents)
        try eventually("the pipe is open", everyMs: 5) { reader.all == [.back] }
        let pipe = open(path, O_WRONLY | O_CLOEXEC)
        defer { close(pipe) }
        let bytes =
            KeyboardWedgeTests.shifted(20) + KeyboardWedgeTests.stroke(12) + KeyboardWedgeTests.stroke(8)
            + KeyboardWedgeTests.stroke(28)
        #expect(write(pipe, bytes, bytes.count) == bytes.count)
        try eventually("a code", everyMs: 5) { reader.codes == ["T-7"] }
        await reader.end()
    }

    /// The scanner is reconnected 20 times at the same path. Each time gives one `lost` and one `back`, and no code is
    /// lost.
    @Test func reconnectedScannerWorks() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("ttyScanner")
        let reader = Running(path)
        try eventually("no scanner yet", everyMs: 5) { reader.changes == [false] }
        for round in 1...20 {
            do {
                let terminal = try PseudoTerminal()
                #expect(symlink(terminal.path, path) == 0)
                try eventually("connected, \(round)", everyMs: 5) { reader.changes.count == 2 * round }
                try terminal.write(Array("HALF-A-CO".utf8))
                try terminal.write(Array("DE-\(round)\n".utf8))
                try eventually("code \(round)", everyMs: 5) { reader.codes.count == round }
                unlink(path)
            }
            try eventually("disconnected, \(round)", everyMs: 5) { reader.changes.count == 2 * round + 1 }
        }
        #expect(reader.codes == (1...20).map { "HALF-A-CODE-\($0)" })
        var expected = [false]
        for _ in 1...20 { expected += [true, false] }
        #expect(reader.changes == expected)
        await reader.end()
    }

    @Test func incompleteCodeIsDroppedOnDisconnect() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("ttyScanner")
        var terminal: PseudoTerminal? = try PseudoTerminal()
        #expect(symlink(terminal!.path, path) == 0)
        let reader = Running(path)
        try eventually("open", everyMs: 5) { reader.changes == [true] }
        try terminal!.write(Array("ONE\n".utf8))
        try eventually("a code", everyMs: 5) { reader.codes == ["ONE"] }
        try terminal!.write(Array("HALF".utf8))
        unlink(path)
        terminal = nil
        try eventually("disconnected", everyMs: 5) { reader.changes == [true, false] }
        terminal = try PseudoTerminal()
        #expect(symlink(terminal!.path, path) == 0)
        try eventually("connected", everyMs: 5) { reader.changes == [true, false, true] }
        try terminal!.write(Array("TWO\n".utf8))
        try eventually("a code", everyMs: 5) { reader.codes == ["ONE", "TWO"] }
        await reader.end()
    }

    @Test func portThatHangsUpImmediatelyCausesOneAlarm() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("ttyScanner")
        // The end of a file reads like a port that hangs up.
        try Files.writeAtomically([], to: path)
        let reader = Running(path, isFull: true)
        // A pending event is sent again at each failure.
        try eventually("reopened five times", everyMs: 5) { reader.refused.count >= 5 }
        #expect(!reader.refused.contains(.back))
        reader.isFull.store(false, ordering: .releasing)
        try eventually("one alarm", everyMs: 5) { reader.changes == [false] }
        let terminal = try PseudoTerminal()
        unlink(path)
        #expect(symlink(terminal.path, path) == 0)
        try eventually("it works", everyMs: 5) { reader.changes == [false, true] }
        await reader.end()
    }

    @Test func eventsForFullMailboxAreSentLater() async throws {
        let folder = TemporaryFolder("codes")
        let path = folder.file("ttyScanner")
        let reader = Running(path)
        try eventually("no scanner yet", everyMs: 5) { reader.changes == [false] }
        reader.isFull.store(true, ordering: .releasing)
        var terminal: PseudoTerminal? = try PseudoTerminal()
        #expect(symlink(terminal!.path, path) == 0)
        try eventually("back is pending", everyMs: 5) { reader.refused.last == .back }
        reader.isFull.store(false, ordering: .releasing)
        try eventually("back", everyMs: 5) { reader.changes == [false, true] }
        reader.isFull.store(true, ordering: .releasing)
        unlink(path)
        terminal = nil
        try eventually("lost is pending", everyMs: 5) { reader.refused.last != .back }
        reader.isFull.store(false, ordering: .releasing)
        try eventually("lost", everyMs: 5) { reader.changes == [false, true, false] }
        await reader.end()
    }

    @Test func secondReaderOnPortIsRejected() async throws {
        let terminal = try PseudoTerminal()
        let first = Running(terminal.path)
        try eventually("open", everyMs: 5) { first.changes == [true] }
        let second = Running(terminal.path)
        try eventually("refused", everyMs: 5) { second.changes == [false] }
        guard case .lost(let reason) = second.all[0] else { throw TestFailure("no reason") }
        #expect(reason.description.contains("lock"))
        await first.end()
        try eventually("free again", everyMs: 5) { second.changes == [false, true] }
        await second.end()
    }
}
