import CNFC
import Synchronization

/// A type A tag that a reader has selected.
package struct NFCTag: Hashable, Sendable {
    /// 4, 7 or 10 bytes.
    package let uid: [UInt8]
    /// SEL_RES of ISO/IEC 14443-3. Bit 5 means ISO-DEP (ISO/IEC 14443-4).
    package let selRes: UInt8

    /// Whether the tag supports ISO-DEP, that is, APDUs.
    package var isISODEP: Bool { selRes & 0x20 != 0 }
}

/// One NFC reader, opened through libnfc 1.8 and closed with the object.
///
/// Confined to one thread, except for `abort`, which any thread may call at any time. libnfc limits the time of every
/// call on its serial drivers; `abort` is for the other drivers.
package final class NFCDevice: Sendable {
    /// libnfc's pointer. `@unchecked` because one thread uses the device, and libnfc allows nfc_abort_command from
    /// another.
    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

    private let handle: Handle
    /// Whether the device may be aborted; `false` while it is closed. Locked during an abort, never during a wait for
    /// the reader.
    private let isOpen = Mutex(true)
    /// libnfc's connection string, for example `pn532_uart:/dev/ttyUSB0`.
    package let connstring: String

    /// Opens the reader and configures it to poll for tags once per call, without waiting.
    ///
    /// Takes 1.4 s for an unresponsive reader on a serial line. Accesses no other reader: libnfc scans only in `list`.
    ///
    /// - Parameter connstring: libnfc's connection string.
    /// - Throws: `NFCError`.
    package init(_ connstring: String) throws {
        let opened = try NFCLibrary.open(connstring)
        self.connstring = connstring
        handle = Handle(pointer: opened)
        let result = NFCDevice.prepare(opened)
        // All properties are set, so deinit closes the device.
        guard result >= 0 else { throw NFCError("set up the reader", code: result) }
    }

    deinit {
        isOpen.withLock { $0 = false }
        nfc_close(handle.pointer)
    }

    /// Polls for a tag once and selects it.
    ///
    /// Takes about 20 ms; 0.3 s if the reader does not respond.
    ///
    /// - Returns: the tag in the field; `nil` without one.
    /// - Throws: `NFCError`, with `isOfTag` for an invalid answer of a tag.
    package func select() throws -> NFCTag? {
        var found = shim_target()
        let result = shim_select(handle.pointer, &found)
        if result == 0 || result == NFC_ETGRELEASED { return nil }
        guard result > 0 else { throw NFCError("poll for a tag", code: result) }
        let uid = withUnsafeBytes(of: found.uid) { Array($0.prefix(found.uid_length)) }
        return NFCTag(uid: uid, selRes: found.sak)
    }

    /// Maximum size of a command, in bytes. libnfc does not check the size of its buffer; the APDUs used here are far
    /// shorter.
    package static let commandLimitBytes = 255
    private static let answerLimitBytes = 264

    /// Sends one command to the selected tag.
    ///
    /// - Parameters:
    ///   - command: an APDU, at most `commandLimitBytes`.
    ///   - timeoutMs: time-out of the reader's answer, in milliseconds. The reader applies its own time-out to the tag.
    /// - Returns: the tag's answer.
    /// - Throws: `NFCError`, with `isOfTag` if the tag did not answer or has left.
    package func exchange(_ command: [UInt8], timeoutMs: Int = 500) throws -> [UInt8] {
        precondition(!command.isEmpty && command.count <= NFCDevice.commandLimitBytes && timeoutMs > 0)
        var answer = [UInt8](repeating: 0, count: NFCDevice.answerLimitBytes)
        let count = nfc_initiator_transceive_bytes(
            handle.pointer, command, command.count, &answer, answer.count, Int32(timeoutMs))
        guard count >= 0 else { throw NFCError("ask the tag", code: count) }
        return Array(answer.prefix(Int(count)))
    }

    /// Switches the field off and on. Tags restart, so that a selected or halted tag is found again.
    ///
    /// - Throws: `NFCError`.
    package func resetField() throws {
        for isOn in [false, true] {
            let result = nfc_device_set_property_bool(handle.pointer, NP_ACTIVATE_FIELD, isOn)
            guard result >= 0 else { throw NFCError("switch the field", code: result) }
        }
    }

    /// Aborts a call that blocks on another thread, if the driver supports it. pn532_uart and pn53x_usb do while they
    /// wait for an answer. Leaks a descriptor if no call blocks, so use it only for calls known to hang.
    package func abort() {
        isOpen.withLock { if $0 { _ = nfc_abort_command(handle.pointer) } }
    }

    private static func prepare(_ device: OpaquePointer) -> Int32 {
        let result = nfc_initiator_init(device)
        guard result >= 0 else { return result }
        // Otherwise a poll would wait until a tag arrives.
        return nfc_device_set_property_bool(device, NP_INFINITE_SELECT, false)
    }
}
