import CLI
import FileSystem
import Minisign

/// Writes a new pair of minisign keys: `PREFIX.key`, readable by its owner alone, and `PREFIX.pub`.
package enum KeyGeneration {
    /// Throws `ProgramError` (configuration) when one of the files is there and `force` is not; `SystemError`.
    ///
    /// - Parameter password: encrypts the secret key.
    /// - Returns: the base64 line that scanners trust.
    package static func write(prefix: String, password: String?, force: Bool) throws -> String {
        let (secret, open) = (prefix + ".key", prefix + ".pub")
        for path in [secret, open] where Files.exists(path) && !force {
            throw ProgramError.configuration(
                "\(path) is there already; gates trust it. Another name, or --force to make all of them need a new key")
        }
        if let password, password.isEmpty { throw ProgramError.configuration("the password is empty") }
        let key = try MinisignSecretKey.generate()
        try Files.makeFolder(Files.folder(of: prefix))
        // What the temporary file of the secret key could be read by is settled at its creation, not after.
        try Files.writeAtomically(Array(try key.file(password: password).utf8), to: secret, mode: 0o600)
        try Files.writeAtomically(Array(key.publicKey.file.utf8), to: open)
        return key.publicKey.base64
    }
}
