import CNFC

/// What libnfc, or a reader behind it, refused.
package struct NFCError: Error, Hashable, CustomStringConvertible, Sendable {
    package let operation: String
    /// One of libnfc's (nfc.h), below zero; 0 where libnfc says only that it failed.
    package let code: Int32

    /// - Parameter code: as libnfc returned it.
    package init(_ operation: String, code: Int32 = 0) {
        (self.operation, self.code) = (operation, code)
    }

    /// Whether the tag is to blame and the reader works: it left, or the radio was disturbed.
    package var isOfTag: Bool { NFCError.tagCodes.contains(code) }

    package var description: String {
        if code == 0 { return "\(operation) failed" }
        return "\(operation): \(NFCError.texts[code] ?? "error \(code)")"
    }

    private static let tagCodes: Set<Int32> = [NFC_ERFTRANS, NFC_ETGRELEASED, NFC_ECHIP, NFC_EOVFLOW]
    private static let texts: [Int32: String] = [
        NFC_EIO: "input/output error", NFC_EINVARG: "invalid argument", NFC_EDEVNOTSUPP: "not supported by the reader",
        NFC_ENOTSUCHDEV: "no such reader", NFC_EOVFLOW: "answer too long", NFC_ETIMEOUT: "no answer in time",
        NFC_EOPABORTED: "given up by the watchdog", NFC_ENOTIMPL: "not implemented", NFC_ETGRELEASED: "tag has left",
        NFC_ERFTRANS: "radio error", NFC_ESOFT: "out of memory or descriptors", NFC_ECHIP: "error inside the reader",
    ]
}
