import Glibc
import LinuxSystem
import ScanJournal
import TestSupport
import Testing

/// The real program beside readers of its output that stand still.
@Suite struct StalledOutputTests {
    /// A pipe with a name, full to the brim until it is read.
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

        /// What has come besides the filling.
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

    @Test func tapsAtAReaderWaitForNobodyWhoReads() throws {
        let venue = try Venue()
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
            try eventually("tap \(number) is journalled", everyMs: 1) {
                try reader.journals().last?.lastSeq == Int64(number)
            }
        }
        // The orders of the gate chief are obeyed, and logged, all the same.
        for word in ["free", "closed", "normal"] {
            #expect(try Run.it("tapline-gate", ["mode", word, "--data", venue.data]).end == .exit(0))
        }
        // When somebody reads again, the verdicts are there, and the log says what it could not say.
        var (said, logged) = ("", "")
        try eventually("the verdicts are printed", everyMs: 5) {
            said += output.read()
            return said.split(separator: "\n").count >= 30
        }
        #expect(said.split(separator: "\n").count { $0.contains(#""name":"unknown""#) } == 30)
        logged += errors.read()
        #expect(logged.isEmpty, "no thread of the gate waits to write a line of the log")
        #expect(try Run.it("tapline-gate", ["mode", "free", "--data", venue.data]).end == .exit(0))
        try eventually("the log goes on", everyMs: 5) {
            logged += errors.read()
            return logged.contains("mode ordered")
        }
        #expect(logged.split(separator: "\n").first?.contains("log lines dropped") == true)
        #expect(try gate.stop() == .exit(0))
    }

    /// A gate that is told to end does not wait for readers either.
    @Test func theEndWaitsForNobodyWhoReads() throws {
        let venue = try Venue()
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
        try eventually("the tap is journalled", everyMs: 1) { try reader.journals().last?.lastSeq == 1 }
        #expect(try gate.stop() == .exit(0))
        #expect(!gate.errorTail().contains("did not stop in time"))
    }
}
