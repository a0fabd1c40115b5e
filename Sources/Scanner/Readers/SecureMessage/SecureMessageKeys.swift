package import Crypto
package import ErrorModel
import FileSystem

/// The AES-128 keys of chips that send secure unique NFC messages (NTAG 424 DNA, NXP AN12196).
///
/// Their file is text of `name = value` lines; `#` begins a comment:
/// ```
/// meta = 00112233445566778899AABBCCDDEEFF
/// file = 00112233445566778899AABBCCDDEEFF
/// diversify = uid
/// ```
/// `meta` is the key of the encrypted UID and counter. It is the same on all chips, because it is needed before the UID
/// is known. `file` is the key of the MAC:
/// - `diversify = uid`: `file` is a master key, and the key of a chip is AN10922(file, UID).
/// - `diversify = uid+HEX`: the key of a chip is AN10922(file, UID || HEX), with up to 24 bytes that identify
///   application and system.
/// - `diversify = no`: all chips have the key `file`.
///
/// All three names are required. Each further `meta` begins another set, at most `setLimit` in total, for chips of
/// other orders.
package struct SecureMessageKeys: Sendable {
    /// Maximum number of key sets in a file. Each costs one decryption per tap.
    package static let setLimit = 4
    /// Maximum size of the key file in bytes.
    static let fileLimitBytes = 16_384

    /// The keys of the chips of one order.
    package struct KeySet: Sendable {
        let meta: AES128
        let file: AES128
        let diversification: Diversification

        /// Creates a key set.
        ///
        /// - Parameters:
        ///   - meta: the key of the encrypted UID and counter.
        ///   - file: the key of the MAC, or the master key from which it is derived.
        ///   - diversification: the derivation of the key of a chip from `file`.
        package init(meta: AES128, file: AES128, diversification: Diversification) {
            (self.meta, self.file, self.diversification) = (meta, file, diversification)
        }

        /// Returns the MAC key of the chip with this UID.
        func fileKey(of uid: [UInt8]) -> AES128 {
            switch diversification {
            case .none: file
            case .uid(let system): CMAC.diversifiedKey(of: file, input: uid + system)
            }
        }
    }

    /// The derivation of the key of a chip from the master key.
    package enum Diversification: Hashable, Sendable {
        case none
        /// AN10922 with the UID of the chip, followed by at most `systemLimitBytes` bytes.
        case uid(system: [UInt8])

        /// AN10922 allows 31 bytes, and the UID has 7.
        static let systemLimitBytes = 24
    }

    let sets: [KeySet]

    /// - Parameter sets: 1 to `setLimit` key sets.
    package init(_ sets: [KeySet]) {
        precondition((1...SecureMessageKeys.setLimit).contains(sets.count))
        self.sets = sets
    }

    /// Reads a key file. It must belong to root or to the user of the process, and no other user may have access.
    ///
    /// - Throws: `SecureMessageKeysError`.
    package init(contentsOf path: String) throws(SecureMessageKeysError) {
        guard Files.exists(path) else { throw SecureMessageKeysError("\(path): no such file") }
        if let problem = Files.exposure(path) {
            throw SecureMessageKeysError("\(path): the file holds keys, and \(problem)")
        }
        let text: String
        do { text = try Files.readText(path, limit: SecureMessageKeys.fileLimitBytes) } catch {
            throw SecureMessageKeysError("\(error)")
        }
        do { try self.init(text: text) } catch { throw SecureMessageKeysError("\(path): \(error)") }
    }

    /// Parses the text of a key file.
    ///
    /// - Throws: `SecureMessageKeysError`.
    init(text: String) throws(SecureMessageKeysError) {
        var drafts: [Draft] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = SecureMessageKeys.trimmed(line.prefix { $0 != "#" })
            if content.isEmpty { continue }
            guard let equals = content.firstIndex(of: "=") else {
                throw SecureMessageKeysError("line \(index + 1): name = value is needed")
            }
            let name = SecureMessageKeys.trimmed(content[..<equals])
            let value = SecureMessageKeys.trimmed(content[content.index(after: equals)...])
            if name == "meta" || drafts.isEmpty { drafts.append(Draft()) }
            try drafts[drafts.count - 1].set(name, value, line: index + 1)
        }
        guard (1...SecureMessageKeys.setLimit).contains(drafts.count) else {
            throw SecureMessageKeysError("1 to \(SecureMessageKeys.setLimit) key sets are needed")
        }
        var sets: [KeySet] = []
        for draft in drafts { sets.append(try draft.finished()) }
        self.sets = sets
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// An incomplete set while its lines are parsed.
    private struct Draft {
        var meta: AES128?
        var file: AES128?
        var diversification: Diversification?

        mutating func set(_ name: Substring, _ value: Substring, line: Int) throws(SecureMessageKeysError) {
            let isSecond =
                switch name {
                case "meta": meta != nil
                case "file": file != nil
                case "diversify": diversification != nil
                default: throw SecureMessageKeysError("line \(line): none of meta, file, diversify")
                }
            if isSecond { throw SecureMessageKeysError("line \(line): \(name) is set twice") }
            switch name {
            case "meta": meta = try key(value, line)
            case "file": file = try key(value, line)
            default: diversification = try rule(value, line)
            }
        }

        func finished() throws(SecureMessageKeysError) -> KeySet {
            guard let meta, let file, let diversification else {
                throw SecureMessageKeysError("meta, file and diversify are needed in each key set")
            }
            return KeySet(meta: meta, file: file, diversification: diversification)
        }

        private func key(_ value: Substring, _ line: Int) throws(SecureMessageKeysError) -> AES128 {
            guard let key = Hex.decode(value).flatMap({ AES128(key: $0) }) else {
                throw SecureMessageKeysError("line \(line): 32 hex digits are needed")
            }
            return key
        }

        private func rule(_ value: Substring, _ line: Int) throws(SecureMessageKeysError) -> Diversification {
            if value == "no" { return .none }
            if value == "uid" { return .uid(system: []) }
            guard value.hasPrefix("uid+"), let system = Hex.decode(value.dropFirst(4)), !system.isEmpty,
                system.count <= Diversification.systemLimitBytes
            else { throw SecureMessageKeysError("line \(line): no, uid, or uid+ and up to 48 hex digits are needed") }
            return .uid(system: system)
        }
    }
}

/// An invalid key file. The description never contains a key.
package struct SecureMessageKeysError: OperationError, Hashable {
    /// `configuration`: the key file must be corrected.
    package var category: ErrorCategory { .configuration }
    /// The path or line, and what is wrong there; never a key.
    package let description: String
    init(_ description: String) { self.description = description }
}
