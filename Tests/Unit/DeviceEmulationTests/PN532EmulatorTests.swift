import Crypto
import DeviceEmulation
import FileSystem
import Glibc
import LinuxSystem
import SerialPorts
import TestSupport
import Testing

/// Queries by the real libnfc: `nfc-list` of Debian.
@Suite struct PN532EmulatorTests {
    /// The output of nfc-list without blanks. It polls every modulation.
    private static func list(_ reader: PN532Emulator) throws -> (end: ChildProcess.End, text: String) {
        let run = try Run.it("nfc-list", ["-v"], environment: ["LIBNFC_DEVICE": reader.connstring])
        return (run.end, (run.lines.joined(separator: "\n") + run.errors).filter { $0 != " " })
    }

    @Test(arguments: ["deadbeef", "04a1b2c3d4e5f6", "04a1b2c3d4e5f6a7b8c9"]) func presentTagIsListed(_ uid: String)
        throws
    {
        let reader = try PN532Emulator()
        #expect(try Self.list(reader).text.contains("0ISO14443Apassivetarget(s)found."))
        reader.present(.plain(try #require(Hex.decode(uid))))
        let (end, text) = try Self.list(reader)
        #expect(end == .exit(0))
        #expect(text.contains("UID(NFCID1):\(uid)\n"))
        let phantoms = text.split(separator: "\n").filter { $0.contains("target(s)found") && !$0.hasPrefix("0") }
        #expect(phantoms == ["1ISO14443Apassivetarget(s)found:"])
        reader.removeTag()
        #expect(try Self.list(reader).text.contains("0ISO14443Apassivetarget(s)found."))
    }

    @Test func isoDEPTagIsListed() throws {
        let reader = try PN532Emulator()
        reader.present(.type4([4, 1, 2, 3, 4, 5, 6], Type4Application(url: "https://a.example")))
        let text = try Self.list(reader).text
        #expect(text.contains("UID(NFCID1):04010203040506\n") && text.contains("SAK(SEL_RES):20\n"))
        #expect(text.contains("CompliantwithISO/IEC14443-4"))
    }

    @Test(arguments: PN532Fault.allCases) func faultHidesTagUntilItEnds(_ fault: PN532Fault) throws {
        let reader = try PN532Emulator()
        reader.present(.plain([1, 2, 3, 4]))
        reader.fault = fault
        let started = SystemClock.monotonicMs()
        #expect(try Self.list(reader).text.contains("UID(NFCID1):01020304") == (fault == .none))
        #expect(SystemClock.monotonicMs() - started < waitLimitMs)
        reader.fault = .none
        #expect(try Self.list(reader).text.contains("UID(NFCID1):01020304"), "the reader works again")
    }

    @Test func replugKeepsPathAndTag() throws {
        let folder = TemporaryFolder("cable")
        var reader: PN532Emulator? = try PN532Emulator(link: folder.file("reader"))
        reader?.present(.plain([1, 2, 3, 4]))
        for _ in 0..<20 {
            let port = try SerialPort(folder.file("reader"))
            reader?.unplug()
            #expect(!Files.exists(folder.file("reader")))
            #expect(throws: SystemError.self) {
                // The hang-up is immediate, but bytes in transit can still be read.
                for _ in 0..<10 { _ = try port.read(timeoutMs: 1_000) }
            }
            try reader?.plug()
        }
        #expect(
            try Self.list(try #require(reader)).text.contains("UID(NFCID1):01020304"), "the same tag is still there")
        reader = nil
        #expect(!Files.exists(folder.file("reader")))
    }

    @Test func portDoesNotReplaceFile() throws {
        let folder = TemporaryFolder("cable")
        try Files.writeAtomically(Array("data".utf8), to: folder.file("precious"))
        #expect(throws: SystemError.self) { _ = try PN532Emulator(link: folder.file("precious")) }
        #expect(try Files.readText(folder.file("precious")) == "data")
    }
}
