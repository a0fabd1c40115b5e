import CLI
import FileSystem
import Minisign

/// Writes a new pair of minisign keys: `PREFIX.key`, readable by its owner only, and `PREFIX.pub`.
enum KeyGeneration {
    /// Generates and writes the keys.
    ///
    /// - Parameters:
    ///   - password: encrypts the secret key; `nil`: it is not encrypted.
    ///   - force: whether existing files are overwritten.
    /// - Returns: the base64 line of the public key.
    /// - Throws: `ProgramError` (configuration) if a file exists and `force` is `false`; `SystemError`.
    static func write(prefix: String, password: String?, force: Bool) throws -> String {
        let (secret, publicFile) = (prefix + ".key", prefix + ".pub")
        for path in [secret, publicFile] where Files.exists(path) && !force {
            throw ProgramError.configuration(
                "\(path) exists, and gates trust its key: use another name, or --force if all gates get the new key"
            )
        }
        if let password, password.isEmpty { throw ProgramError.configuration("the password is empty") }
        let key = try MinisignSecretKey.generate()
        try Files.makeFolder(Files.folder(of: prefix))
        // The mode is set when the temporary file is created, so the secret key is never readable by others.
        try Files.writeAtomically(Array(try key.file(password: password).utf8), to: secret, mode: 0o600)
        try Files.writeAtomically(Array(key.publicKey.file.utf8), to: publicFile)
        return key.publicKey.base64
    }
}
