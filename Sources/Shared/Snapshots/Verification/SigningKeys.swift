package import ErrorModel
import FileSystem
package import Minisign

/// A signing or trust key that cannot be used.
package struct SigningKeyError: OperationError {
    /// The key and what is wrong with it.
    package let description: String
    /// Always `.configuration`.
    package var category: ErrorCategory { .configuration }
}

extension MinisignPublicKey {
    /// Reads a trust key from a setting.
    ///
    /// - Parameter setting: the base64 line of the key, or the path of a .pub file.
    /// - Throws: `SigningKeyError`.
    package init(setting: String) throws {
        if let key = MinisignPublicKey(base64: setting) {
            self = key
            return
        }
        let text: String
        do { text = try Files.readText(setting, limit: 4_096) } catch {
            throw SigningKeyError(
                description: "trust key '\(setting)' is neither a minisign public key (56 characters of base64) "
                    + "nor a readable file: \(error)")
        }
        guard let key = MinisignPublicKey(file: text) else {
            throw SigningKeyError(description: "\(setting) is not a minisign public key")
        }
        self = key
    }
}

extension MinisignSecretKey {
    /// Reads a key file that only its owner can read.
    ///
    /// - Throws: `SigningKeyError` for a file that is missing, readable by others, not a key, or encrypted with another
    ///   password.
    package init(path: String, password: String? = nil) throws {
        guard Files.exists(path) else {
            throw SigningKeyError(description: "signing key \(path): no such file")
        }
        if let problem = Files.exposure(path) {
            throw SigningKeyError(description: "signing key \(path): \(problem)")
        }
        let text: String
        do { text = try Files.readText(path, limit: 4_096) } catch {
            throw SigningKeyError(description: "signing key: \(error)")
        }
        do { try self.init(file: text, password: password) } catch {
            throw SigningKeyError(description: "signing key \(path): \(error)")
        }
    }
}
