import Glibc
import LinuxSystem
import ScanJournal
import TestSupport
import Testing

/// The real program with outputs that are not read.
@Suite struct StalledOutputTests {
    /// A named pipe, full until it is read.
    private final class FullPipe {
        let path: String
        private let reading: Int32

        init(_ path: String) throws {
            self.path = path
            guard mkfifo(path, 0o600) == 0 else { throw SystemError("mkfifo") }
            reading = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            let writing = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(writing) }
            guard reading >= 0, writing >= 0 else { throw SystemError("open \(path)") }
            let bytes = [UInt8](repeating: UInt8(ascii: "."), count: 4_096)
            while write(writing, bytes, bytes.count) > 0 {}
        }

        deinit { close(reading) }

        /// Returns the text after the filling.
        func read() -> String {
            var text: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Glibc.read(reading, &chunk, chunk.count)
                guard count > 0 else { return String(decoding: text.drop { $0 == UInt8(ascii: ".") }, as: UTF8.self) }
                text += chunk[..<count]
            }
        }
    }

    @Test func unreadOutputDoesNotDelayTaps() throws {
        let venue = try LaneFixture()
        try venue.install(version: 100)
        let output = try FullPipe(venue.folder.file("output"))
        let errors = try FullPipe(venue.folder.file("errors"))
        let scanner = venue.folder.file("scanner")
        #expect(mkfifo(scanner, 0o600) == 0)
        let gate = try ChildProcess(
            Package.program("tapline-gate"),
            [
                "run", "--data", venue.data, "--scanner", "gate-7", "--event-key-file", venue.keyFile, "--reader",
                "serial:\(scanner)", "--output", "json",
            ], output: .file(output.path), errors: errors.path)
        // Waits until the gate reads.
        let codes = open(scanner, O_WRONLY | O_CLOEXEC)
        defer { close(codes) }
        let reader = JournalReader(folder: venue.data)
        for number in 1...30 {
            let line = "TICKET-\(number)\n"
            #expect(write(codes, line, line.utf8.count) == line.utf8.count)
            try eventually("tap \(number) is journaled", everyMs: 1) {
                try reader.journals().last?.lastSeq == Int64(number)
            }
        }
        // Operator commands are executed and journaled as well.
        for word in ["free", "closed", "normal"] {
            #expect(try Run.it("tapline-gate", ["mode", word, "--data", venue.data]).end == .exit(0))
        }
        // When the outputs are read again, the verdicts follow, and the log reports its dropped lines.
        var (written, logged) = ("", "")
        try eventually("the verdicts are printed", everyMs: 5) {
            written += output.read()
            return written.split(separator: "\n").count >= 30
        }
        #expect(written.split(separator: "\n").count { $0.contains(#""name":"unknown""#) } == 30)
        logged += errors.read()
        #expect(logged.isEmpty, "no thread of the gate waits to write a line of the log")
        #expect(try Run.it("tapline-gate", ["mode", "free", "--data", venue.data]).end == .exit(0))
        try eventually("the log goes on", everyMs: 5) {
            logged += errors.read()
            return logged.contains("mode changed")
        }
        #expect(logged.split(separator: "\n").first?.contains("log lines dropped") == true)
        #expect(try gate.stop() == .exit(0))
    }

    @Test func unreadOutputDoesNotDelayTheStop() throws {
        let venue = try LaneFixture()
        let output = try FullPipe(venue.folder.file("output"))
        let scanner = venue.folder.file("scanner")
        #expect(mkfifo(scanner, 0o600) == 0)
        let gate = try ChildProcess(
            Package.program("tapline-gate"),
            [
                "run", "--data", venue.data, "--scanner", "gate-7", "--event-key-file", venue.keyFile, "--reader",
                "serial:\(scanner)",
            ], output: .file(output.path), errors: venue.folder.file("errors"))
        let codes = open(scanner, O_WRONLY | O_CLOEXEC)
        defer { close(codes) }
        #expect(write(codes, "TICKET-1\n", 9) == 9)
        let reader = JournalReader(folder: venue.data)
        try eventually("the tap is journaled", everyMs: 1) { try reader.journals().last?.lastSeq == 1 }
        #expect(try gate.stop() == .exit(0))
        #expect(!gate.errorTail().contains("did not stop in time"))
    }
}
