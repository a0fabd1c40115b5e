import CNFC
import Synchronization

/// A type A tag that a reader has selected.
package struct NFCTag: Hashable, Sendable {
    /// 4, 7 or 10 bytes.
    package let uid: [UInt8]
    /// SEL_RES; bit 5: it speaks ISO-DEP (ISO/IEC 14443-4).
    package let selRes: UInt8

    package var isISODEP: Bool { selRes & 0x20 != 0 }
}

/// One NFC reader, opened through libnfc 1.8; closed when the object goes.
///
/// Confined to one thread, but for `abort`, which any thread may call at any time. Every call is bounded by libnfc's own time
/// limits on the drivers for serial lines; `abort` is for what is not.
package final class NFCDevice: Sendable {
    /// libnfc's pointer, which is free of any thread; `@unchecked` because what it points at is used by one thread, save that
    /// nfc_abort_command may be called from another.
    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

    private let handle: Handle
    /// Whether the device may be aborted: not once it is being closed. Held while aborting, never while waiting for the reader.
    private let isOpen = Mutex(true)
    /// As libnfc was told to open it.
    package let connstring: String

    /// Opens the reader and sets it up to look for tags once, without waiting for one. Of a mute reader on a serial line this
    /// takes 1.4 s. Nothing but this reader is touched: libnfc looks around only in `list`.
    ///
    /// Throws `NFCError`.
    package init(_ connstring: String) throws {
        let opened = try NFCLibrary.open(connstring)
        self.connstring = connstring
        handle = Handle(pointer: opened)
        let result = NFCDevice.prepare(opened)
        // All is set, so deinit closes it.
        guard result >= 0 else { throw NFCError("set up the reader", code: result) }
    }

    deinit {
        isOpen.withLock { $0 = false }
        nfc_close(handle.pointer)
    }

    /// Looks for a tag, once: nil when there is none. Takes some 20 ms; 0.3 s where the reader is mute, then it throws.
    ///
    /// Throws `NFCError`; `isOfTag` for one that answered badly.
    package func select() throws -> NFCTag? {
        var found = shim_target()
        let result = shim_select(handle.pointer, &found)
        if result == 0 || result == NFC_ETGRELEASED { return nil }
        guard result > 0 else { throw NFCError("look for a tag", code: result) }
        let uid = withUnsafeBytes(of: found.uid) { Array($0.prefix(found.uid_length)) }
        return NFCTag(uid: uid, selRes: found.sak)
    }

    /// Most bytes of a command: a short APDU of ours is far shorter, and libnfc does not look at its buffer's end.
    package static let commandLimitBytes = 255
    private static let answerLimitBytes = 264

    /// Sends one command to the selected tag, and gives its answer.
    /// - Parameter timeoutMs: for the reader's answer; the tag's own limit is the reader's affair.
    /// Throws `NFCError`; `isOfTag` where the tag did not answer or has left.
    package func exchange(_ command: [UInt8], timeoutMs: Int = 500) throws -> [UInt8] {
        precondition(!command.isEmpty && command.count <= NFCDevice.commandLimitBytes && timeoutMs > 0)
        var answer = [UInt8](repeating: 0, count: NFCDevice.answerLimitBytes)
        let count = nfc_initiator_transceive_bytes(
            handle.pointer, command, command.count, &answer, answer.count, Int32(timeoutMs))
        guard count >= 0 else { throw NFCError("ask the tag", code: count) }
        return Array(answer.prefix(Int(count)))
    }

    /// Switches the field off and on: whatever tag is there begins anew, and a selected or halted one is found again.
    /// Throws `NFCError`.
    package func resetField() throws {
        for isOn in [false, true] {
            let result = nfc_device_set_property_bool(handle.pointer, NP_ACTIVATE_FIELD, isOn)
            guard result >= 0 else { throw NFCError("switch the field", code: result) }
        }
    }

    /// Makes a call that waits on another thread give up, if the driver can (pn532_uart and pn53x_usb can while they wait for an
    /// answer). Costs a descriptor where nothing waits, so it is for calls known to be stuck.
    package func abort() {
        isOpen.withLock { if $0 { _ = nfc_abort_command(handle.pointer) } }
    }

    private static func prepare(_ device: OpaquePointer) -> Int32 {
        let result = nfc_initiator_init(device)
        guard result >= 0 else { return result }
        // Else a look for a tag would last until one comes.
        return nfc_device_set_property_bool(device, NP_INFINITE_SELECT, false)
    }
}
