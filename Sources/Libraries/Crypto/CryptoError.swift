import CCrypto

/// A failed call of libcrypto: what was tried, and its own reason where it gave one.
package struct CryptoError: Error, CustomStringConvertible, Sendable {
    package let operation: String
    /// libcrypto's packed error code; 0 when it gave none.
    package let code: UInt
    private let reason: String

    init(_ operation: String) {
        self.operation = operation
        code = ERR_get_error()
        ERR_clear_error()
        reason = code == 0 ? "refused" : ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }

    package var description: String { "\(operation): \(reason)" }
}
