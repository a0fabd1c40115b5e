import CLI
package import Crypto
import FileSystem

/// The AES-128 keys of chips that send secure unique NFC messages (NTAG 424 DNA, NXP AN12196).
///
/// Their file is text of `name = value` lines; `#` begins a comment:
/// ```
/// meta = 00112233445566778899AABBCCDDEEFF
/// file = 00112233445566778899AABBCCDDEEFF
/// diversify = uid
/// ```
/// `meta` is the key of the encrypted UID and counter, the same on all chips, because it is needed before the UID is known.
/// `file` makes the MAC; with `diversify = uid` it is a master key, and a chip holds AN10922(file, UID), with
/// `diversify = uid+HEX` AN10922(file, UID || HEX), up to 24 bytes that name application and system; with `diversify = no`
/// every chip holds `file` itself. All three must be there. A second `meta` begins a second set, up to `setLimit`: bands of an
/// older order.
package struct SecureMessageKeys: Sendable {
    /// Key sets in one file: each costs a decryption a tap.
    package static let setLimit = 4
    /// Bytes of the key file; it is a few lines.
    static let fileLimitBytes = 16_384

    /// One set.
    package struct KeySet: Sendable {
        let meta: AES128
        let file: AES128
        let diversification: Diversification

        package init(meta: AES128, file: AES128, diversification: Diversification) {
            (self.meta, self.file, self.diversification) = (meta, file, diversification)
        }

        /// The key that the chip of this UID makes its MAC with.
        func fileKey(of uid: [UInt8]) -> AES128 {
            switch diversification {
            case .none: file
            case .uid(let system): CMAC.diversifiedKey(of: file, input: uid + system)
            }
        }
    }

    /// How a chip's own key comes from the master key.
    package enum Diversification: Hashable, Sendable {
        case none
        /// AN10922 with the chip's UID, followed by the bytes given: at most `systemLimitBytes`.
        case uid(system: [UInt8])

        /// AN10922 takes 31 bytes, 7 are the UID.
        package static let systemLimitBytes = 24
    }

    let sets: [KeySet]

    /// - Parameter sets: 1 to `setLimit`.
    package init(_ sets: [KeySet]) {
        precondition((1...SecureMessageKeys.setLimit).contains(sets.count))
        self.sets = sets
    }

    /// Reads a key file, which must belong to this process's user or to root and be open to nobody else.
    ///
    /// Throws `ProgramError` (configuration) that says what is wrong, never what the file holds.
    package init(contentsOf path: String) throws {
        guard let status = Files.status(path) else { throw ProgramError.configuration("\(path): no such file") }
        guard status.isPrivate else {
            throw ProgramError.configuration("\(path): it must belong to root or to the gate's user, with mode 0600")
        }
        let text: String
        do { text = try Files.readText(path, limit: SecureMessageKeys.fileLimitBytes) } catch {
            throw ProgramError.configuration("\(error)")
        }
        do { try self.init(text: text) } catch { throw ProgramError.configuration("\(path): \(error)") }
    }

    /// The sets in the text of a key file. Throws `SecureMessageKeysError`.
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

    /// A set while its lines are read.
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
            if isSecond { throw SecureMessageKeysError("line \(line): \(name) for the second time") }
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

/// What is wrong with a key file; never holds a key.
struct SecureMessageKeysError: Error, Hashable, CustomStringConvertible, Sendable {
    let description: String
    init(_ description: String) { self.description = description }
}
