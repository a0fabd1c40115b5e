import Certificates
package import ErrorModel
import FileSystem
package import HTTPServer
import Runtime

/// The files of the certificate of the HTTP server.
package struct ServerCertificateFiles: Sendable {
    /// Maximum size of each file, in bytes.
    private static let limitBytes = 1 << 20

    private let chain: String
    private let key: String

    /// - Parameters:
    ///   - chain: path of the certificate, followed by those of intermediate authorities: PEM.
    ///   - key: path of its private key, PEM without a password.
    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }

    /// Reads the files, and checks that they belong together.
    ///
    /// - Returns: the pair, and the end of its validity in seconds since 1970.
    /// - Throws: `ServerCertificateError`.
    package func load() throws -> (certificate: HTTPCertificate, expiresS: Int64) {
        let chainBytes = try naming(chain) { try Files.read(chain, limit: ServerCertificateFiles.limitBytes) }
        let keyBytes = try naming(key) { try Files.read(key, limit: ServerCertificateFiles.limitBytes) }
        let certificate = try naming(chain) { try Certificate(pem: chainBytes) }
        let privateKey = try naming(key) { try PrivateKey(pem: keyBytes) }
        guard certificate.belongs(to: privateKey) else {
            throw ServerCertificateError(description: "\(key): not the private key of the certificate in \(chain)")
        }
        return (HTTPCertificate(chain: chainBytes, key: keyBytes), certificate.expiresS)
    }

    /// Identifies the present files. It changes when one of them is replaced or written.
    func state() -> [Files.Status?] { [Files.status(chain), Files.status(key)] }

    /// Adds the path to an error.
    private func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw ServerCertificateError(description: "\(path): \(error)") }
    }
}

/// Certificate files that cannot be used.
package struct ServerCertificateError: OperationError {
    /// The file and the cause. Never contains a part of the key.
    package let description: String
    /// Always `.configuration`.
    package var category: ErrorCategory { .configuration }
}

/// Loads a certificate again after its files have changed.
struct ServerCertificateWatch {
    private let files: ServerCertificateFiles
    private var known: [Files.Status?]
    private let log = Log("http")

    /// - Parameter files: the files that were just loaded.
    init(_ files: ServerCertificateFiles) {
        self.files = files
        known = files.state()
    }

    /// Gives the server the present certificate, if its files have changed. A failure is logged once for each change.
    ///
    /// - Parameter isForced: whether the files are read although they have not changed.
    /// - Returns: the end of validity of a new certificate in seconds since 1970; `nil` without one.
    mutating func reload(_ server: HTTPListener, isForced: Bool) -> Int64? {
        let state = files.state()
        guard isForced || state != known else { return nil }
        known = state
        do {
            let loaded = try files.load()
            try server.use(loaded.certificate)
            log.info(
                "certificate loaded", [.detail: "until \(UTCTime.text(microseconds: loaded.expiresS * 1_000_000))"])
            return loaded.expiresS
        } catch {
            log.error("certificate not loaded, the former one stays in use", [.error: "\(error)"])
            return nil
        }
    }
}
