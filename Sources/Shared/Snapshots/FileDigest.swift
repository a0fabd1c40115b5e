import Crypto
package import FileSystem

extension Files {
    /// The SHA-256 of a file, read piece by piece. Throws `SystemError`.
    package static func sha256(_ path: String) throws -> [UInt8] {
        var hash = SHA256()
        try readChunks(path) { hash.update($0) }
        return hash.finish()
    }

    /// The same in hexadecimal, lower case.
    package static func sha256Hex(_ path: String) throws -> String { Hex.encode(try sha256(path)) }
}
