import CNFC
import Glibc
import Synchronization

/// libnfc itself: one context for the process.
///
/// Its list of drivers is a global that nfc_exit frees under whoever is opening a reader, and nfc_init and every message that
/// libnfc logs read and set the environment. So there is one context, made once and never given back.
package enum NFCLibrary {
    /// libnfc reads its context and never writes it once it is made.
    private struct Context: @unchecked Sendable { let pointer: OpaquePointer? }

    private static let context: Context = {
        // Its errors are ours to tell, in our log's form. A level that somebody set stays.
        setenv("LIBNFC_LOG_LEVEL", "0", 0)
        var pointer: OpaquePointer?
        nfc_init(&pointer)
        return Context(pointer: pointer)
    }()

    /// USB and PC/SC drivers go through libraries whose start is not made for threads.
    private static let opening = Mutex(())

    /// To be called before other threads read the environment.
    package static func start() { _ = context }

    /// Most readers listed.
    package static let listLimit = 8

    /// The connection strings of the readers that libnfc finds without disturbing serial ports (unless libnfc's own settings
    /// allow that), and of those its settings name. Throws `NFCError`.
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
        // A string that is too long would be cut, and another reader opened.
        guard connstring.utf8.count < Int(NFC_BUFSIZE_CONNSTRING) else {
            throw NFCError("open \(connstring)", code: NFC_EINVARG)
        }
        // A mute reader on a serial line shall not keep the others waiting.
        let isSerial = connstring.hasPrefix("pn532_")
        let opened = isSerial ? Opened(pointer, connstring) : opening.withLock { _ in Opened(pointer, connstring) }
        guard let device = opened.device else { throw NFCError("open \(connstring)") }
        return device
    }

    /// A new device, which is nobody's but the caller's.
    private struct Opened: @unchecked Sendable {
        let device: OpaquePointer?
        init(_ context: OpaquePointer, _ connstring: String) { device = nfc_open(context, connstring) }
    }
}
