import DeviceEmulation
import LinuxSystem
import NFC
import Runtime
import Synchronization
import TestSupport
import Testing

/// The libnfc wrapper without the reader.
@Suite(.serialized) struct NFCDeviceTests {
    @Test func stuckCallIsAbortedByOtherThread() throws {
        _ = ListedReader.path
        let chip = try PN532Emulator()
        chip.present(.type4([4, 1, 2, 3, 4, 5, 6], Type4Application(message: [])))
        let device = try NFCDevice(chip.connstring)
        let tag = try #require(try device.select())
        #expect(tag.uid == [4, 1, 2, 3, 4, 5, 6])
        #expect(tag.isISODEP)
        chip.fault = .acknowledge
        let result = Mutex<NFCError?>(nil)
        let ended = StopSignal()
        NamedThread("exchange") {
            do { _ = try device.exchange([0x00], timeoutMs: 2 * waitLimitMs) } catch {
                result.withLock { $0 = error as? NFCError }
            }
            ended.stop()
        }
        try eventually("the command is sent", everyMs: 5) { chip.count(of: 0x40) == 1 }
        // Repeated, because an abort before the driver waits for the answer has no effect.
        try eventually("aborted") {
            device.abort()
            return ended.isStopped
        }
        let error = try #require(result.withLock { $0 })
        #expect(error.description.contains("watchdog"))
        #expect(!error.isOfTag)
    }

    @Test func unresponsiveReaderTimesOut() throws {
        let chip = try PN532Emulator()
        let device = try NFCDevice(chip.connstring)
        chip.fault = .silence
        let start = SystemClock.monotonicMs()
        #expect(throws: NFCError.self) { try device.select() }
        #expect(throws: NFCError.self) { try NFCDevice(chip.connstring) }
        #expect(SystemClock.monotonicMs() - start < waitLimitMs)
    }

    @Test func unknownReaderIsRejected() {
        #expect(throws: NFCError.self) { try NFCDevice("pn532_uart:/nonexistent") }
        #expect(throws: NFCError.self) { try NFCDevice("no_driver:1") }
        #expect(throws: NFCError.self) { try NFCDevice("") }
        #expect(throws: NFCError.self) { try NFCDevice("pn532_uart:" + String(repeating: "x", count: 2_000)) }
    }
}
