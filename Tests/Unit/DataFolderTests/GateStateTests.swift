import DataFolder
import FileSystem
import TestSupport
import Testing

struct GateStateTests {
    private let folder = TemporaryFolder("gate-state")

    private func state(of json: String) throws -> GateState? {
        try Files.writeAtomically(Array(json.utf8), to: DataFolderPaths.gateState(folder.path))
        return GateState.read(folder: folder.path)
    }

    @Test func writtenStateIsReadUnchanged() throws {
        var state = GateState(
            pid: 7, scanner: "gate-7", journal: "j", reader: "stdin", software: "1.0", startedS: 1, snapshot: 0)
        state.problem = "no snapshot"
        try state.write(folder: folder.path)
        #expect(GateState.read(folder: folder.path) == state)
    }

    @Test func fileWithoutProcessOrScannerIsInvalid() throws {
        #expect(try state(of: #"{"scanner":"gate-7","snapshot":3}"#) == nil)
        #expect(try state(of: #"{"pid":7,"snapshot":3}"#) == nil)
        #expect(try state(of: #"{"pid":"7","scanner":"gate-7"}"#) == nil)
    }

    @Test func missingOptionalFieldsAreIgnored() throws {
        let read = try #require(try state(of: #"{"pid":7,"scanner":"gate-7","mode":1,"turnstile":"ok"}"#))
        #expect(read.pid == 7 && read.scanner == "gate-7" && read.turnstile == "ok")
        #expect(read.snapshot == nil && read.mode == nil && read.readers == nil)
    }
}
