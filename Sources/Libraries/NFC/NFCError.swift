import CNFC
package import ErrorModel

/// A failed call of libnfc.
package struct NFCError: OperationError, Hashable {
    /// The failed operation, for example `open pn532_uart:/dev/ttyUSB0`.
    package let operation: String
    /// libnfc's error code (nfc.h), negative; 0 if libnfc reported a failure without a code.
    package let code: Int32

    /// - Parameters:
    ///   - operation: the failed operation.
    ///   - code: the result of the libnfc call.
    package init(_ operation: String, code: Int32 = 0) {
        self.operation = operation
        self.code = code
    }

    /// Whether the tag caused the error and the reader works: the tag left the field, or the radio link was disturbed.
    package var isOfTag: Bool { NFCError.tagCodes.contains(code) }

    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
    /// `false` for arguments and functions that the reader or libnfc does not support.
    package var isRetriable: Bool { ![NFC_EINVARG, NFC_EDEVNOTSUPP, NFC_ENOTIMPL].contains(code) }

    /// The cause without the operation, such as `no such reader`.
    package var cause: String { code == 0 ? "failed" : NFCError.texts[code] ?? "error \(code)" }

    /// The operation and the cause.
    package var description: String { code == 0 ? "\(operation) failed" : "\(operation): \(cause)" }

    private static let tagCodes: Set<Int32> = [NFC_ERFTRANS, NFC_ETGRELEASED, NFC_ECHIP, NFC_EOVFLOW]
    private static let texts: [Int32: String] = [
        NFC_EIO: "input/output error", NFC_EINVARG: "invalid argument", NFC_EDEVNOTSUPP: "not supported by the reader",
        NFC_ENOTSUCHDEV: "no such reader", NFC_EOVFLOW: "answer too long", NFC_ETIMEOUT: "no answer in time",
        NFC_EOPABORTED: "aborted by the watchdog", NFC_ENOTIMPL: "not implemented", NFC_ETGRELEASED: "tag has left",
        NFC_ERFTRANS: "radio error", NFC_ESOFT: "out of memory or descriptors", NFC_ECHIP: "error inside the reader",
    ]
}

extension NFCError {
    /// The causes that callers distinguish.
    package enum Fault: Hashable, Sendable {
        case inputOutput, noSuchReader, timeout, aborted, notSupported, insideReader, radio, other
    }

    /// The cause of the failure, from libnfc's code.
    package var fault: Fault {
        switch code {
        case NFC_EIO: .inputOutput
        case NFC_ENOTSUCHDEV: .noSuchReader
        case NFC_ETIMEOUT: .timeout
        case NFC_EOPABORTED: .aborted
        case NFC_EDEVNOTSUPP: .notSupported
        case NFC_ECHIP: .insideReader
        case NFC_ERFTRANS: .radio
        default: .other
        }
    }
}
