import CNFC

extension NFCError {
    /// The causes that callers tell apart.
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
