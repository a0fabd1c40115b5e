import CCrypto
package import ErrorModel

/// A certificate or a key that cannot be read, made or used.
package struct CertificateError: OperationError, Equatable {
    /// The failed step and its cause.
    package let description: String
    /// Always `.configuration`: a file or a name is wrong.
    package var category: ErrorCategory { .configuration }

    init(_ description: String) { self.description = description }

    /// Adds the reason of libcrypto, and empties its list of errors.
    static func failed(_ operation: String) -> CertificateError {
        let code = ERR_get_error()
        ERR_clear_error()
        let reason = ERR_reason_error_string(code).map { String(cString: $0) }
        return CertificateError(operation + (reason.map { ": \($0)" } ?? ""))
    }
}
