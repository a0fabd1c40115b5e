import CCrypto
package import ErrorModel

/// A failed call of libcrypto and the reason that libcrypto reported.
package struct CryptoError: OperationError {
    /// The failed operation, for example `sign`.
    package let operation: String
    /// libcrypto's packed error code; 0 if it reported none.
    package let code: UInt
    private let reason: String

    init(_ operation: String) {
        self.operation = operation
        code = ERR_get_error()
        ERR_clear_error()
        reason = code == 0 ? "failed" : ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }

    /// The operation and libcrypto's reason.
    package var description: String { "\(operation): \(reason)" }
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
}
