import CNFC
import Glibc
import Synchronization

/// The libnfc context of the process.
///
/// libnfc's list of drivers is a global that nfc_exit frees even while another thread opens a reader. nfc_init and
/// every log message of libnfc read and set the environment. So there is one context, created once and never released.
package enum NFCLibrary {
    /// libnfc does not modify its context after nfc_init.
    private struct Context: @unchecked Sendable { let pointer: OpaquePointer? }

    private static let context: Context = {
        // Disables libnfc's log: errors are reported through `NFCError`. An existing setting is kept.
        setenv("LIBNFC_LOG_LEVEL", "0", 0)
        var pointer: OpaquePointer?
        nfc_init(&pointer)
        return Context(pointer: pointer)
    }()

    /// Serialises opening: the libraries behind the USB and PC/SC drivers are not thread-safe while they initialise.
    private static let opening = Mutex(())

    /// Initialises libnfc. Call it before other threads read the environment.
    package static func start() { _ = context }

    /// Maximum number of listed readers.
    package static let listLimit = 8

    /// Lists the connected readers.
    ///
    /// Serial ports are not probed unless libnfc's settings allow it. Readers named in these settings are listed as
    /// well.
    ///
    /// - Returns: connection strings, at most `listLimit`.
    /// - Throws: `NFCError` if libnfc cannot be initialised.
    package static func list() throws -> [String] {
        guard let pointer = context.pointer else { throw NFCError("start libnfc") }
        let length = Int(NFC_BUFSIZE_CONNSTRING)
        var texts = [CChar](repeating: 0, count: length * listLimit)
        let count = opening.withLock { _ in shim_list(pointer, &texts, listLimit) }
        return (0..<count).map { index in
            let bytes = texts[(index * length)..<((index + 1) * length)].prefix { $0 != 0 }
            return String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    static func open(_ connstring: String) throws -> OpaquePointer {
        guard let pointer = context.pointer else { throw NFCError("start libnfc") }
        // libnfc would truncate a longer string and open a different reader.
        guard connstring.utf8.count < Int(NFC_BUFSIZE_CONNSTRING) else {
            throw NFCError("open \(connstring)", code: NFC_EINVARG)
        }
        // Serial readers are opened without the lock: an unresponsive one must not delay the others.
        let isSerial = connstring.hasPrefix("pn532_")
        let opened = isSerial ? Opened(pointer, connstring) : opening.withLock { _ in Opened(pointer, connstring) }
        guard let device = opened.device else { throw NFCError("open \(connstring)") }
        return device
    }

    /// A new device, owned by the caller.
    private struct Opened: @unchecked Sendable {
        let device: OpaquePointer?
        init(_ context: OpaquePointer, _ connstring: String) { device = nfc_open(context, connstring) }
    }
}
