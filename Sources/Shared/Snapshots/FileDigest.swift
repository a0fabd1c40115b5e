import Crypto
package import FileSystem

extension Files {
    /// Returns the SHA-256 of a file, read in pieces.
    ///
    /// - Throws: `SystemError` if the file cannot be read.
    package static func sha256(_ path: String) throws -> [UInt8] {
        var hash = SHA256()
        try readChunks(path) { hash.update($0) }
        return hash.finish()
    }

    /// Returns the SHA-256 of a file in lower-case hexadecimal.
    ///
    /// - Throws: `SystemError` if the file cannot be read.
    package static func sha256Hex(_ path: String) throws -> String { Hex.encode(try sha256(path)) }
}
