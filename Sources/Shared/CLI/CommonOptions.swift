import Crypto
import FileSystem
import Runtime
package import ScanModel

/// The formats of `--output`.
package enum OutputFormat: String, CaseIterable, Sendable { case text, json }

/// Options that several programs have.
extension Option {
    /// The output format, `text` by default. Read it with `Arguments.outputFormat`.
    package static let output = Option("output", "text|json", "output format", default: "text")
    /// The database, and the permission to use one on another machine without protection.
    package static let database = Option(
        "database-url", "URL", "database, a libpq connection URI: postgresql://USER@HOST:PORT/DATABASE", kind: .secret,
        required: true,
        companions: [
            .toggle("insecure-database", "permit a database on another machine without sslmode=verify-full")
        ])
    /// The file with the event key. Read it with `Arguments.eventKey`.
    package static let eventKeyFile = Option("event-key-file", "FILE", "file with the event key, 32 raw bytes")

    /// The options that name one tag, for `Arguments.tag`. UID and code also need `eventKeyFile`.
    ///
    /// - Parameters:
    ///   - prefix: of the flags, for a command with several tags.
    ///   - subject: the tag in the help text.
    package static func tag(prefix: String = "", _ subject: String) -> [Option] {
        [
            Option("\(prefix)uid", "HEX", "\(subject): UID of a chip"),
            Option("\(prefix)sun", "HEX", "\(subject): UID of a chip that authenticates itself"),
            Option("\(prefix)code", "TEXT", "\(subject): text of a code"),
            Option("\(prefix)tag", "ID", "\(subject): tag ID of the database"),
        ]
    }
}

extension Arguments {
    /// Returns the value of `Option.output`.
    ///
    /// - Throws: `ProgramError` (configuration).
    package func outputFormat() throws -> OutputFormat { try choice("output", OutputFormat.self) ?? .text }

    /// Reads the file of `Option.eventKeyFile`.
    ///
    /// A file that everybody can read gets mode 0600, with a warning: the contract lets other programs write the key, and
    /// the usual umask makes such files.
    ///
    /// - Throws: `ProgramError` (configuration) if the option is missing, the file is not an event key, or another user
    ///   keeps access to it.
    package func eventKey() throws -> EventKey {
        let path = try required("event-key-file")
        let bytes: [UInt8]
        do { bytes = try Files.read(path, limit: 4_096) } catch {
            throw ProgramError.configuration("--event-key-file: \(error)")
        }
        guard let key = EventKey(bytes) else {
            let text = String(decoding: bytes, as: UTF8.self).trimmed
            let isHex = Hex.decode(text)?.count == EventKey.length
            throw ProgramError.configuration(
                "--event-key-file \(path): the file has \(bytes.count) bytes, but \(EventKey.length) are required"
                    + (isHex ? "; it holds them in hexadecimal: convert it with xxd -r -p" : ""))
        }
        guard !EventKey.isGuessable(bytes) else {
            throw ProgramError.configuration(
                "--event-key-file \(path): all \(EventKey.length) bytes are equal, so anybody can guess the key: create "
                    + "one with tapline-center event key --out FILE")
        }
        // After the key was recognised: the mode of another file does not change.
        if let problem = Files.exposure(path) {
            guard Files.makePrivate(path) else {
                throw ProgramError.configuration("--event-key-file \(path): \(problem)")
            }
            Log("settings").warning("everybody could read the event key: mode 600 was set", [.path: path])
        }
        return key
    }

    /// Returns `EventKey.fingerprint` of the file of `Option.eventKeyFile`; `nil` without the option.
    ///
    /// - Throws: `ProgramError` (configuration) if the file is not an event key.
    package func eventKeyFingerprint() throws -> String? {
        has("event-key-file") ? try eventKey().fingerprint : nil
    }

    /// Returns the one tag that the options of `Option.tag` name.
    ///
    /// - Parameters:
    ///   - prefix: of the flags.
    ///   - malformed: exit code for a value that is neither a tag ID nor a UID.
    /// - Throws: `ProgramError`: usage unless exactly one tag is given; configuration for an invalid event key;
    ///   `malformed`.
    package func tag(prefix: String = "", malformed: ExitCode = .usage) throws -> NamedTag {
        let given = ["uid", "sun", "code", "tag"].filter { has(prefix + $0) }
        guard given.count == 1, let kind = given.first, let text = self[prefix + kind] else {
            throw ProgramError.usage(
                "exactly one of --\(prefix)uid, --\(prefix)sun, --\(prefix)code, --\(prefix)tag is required")
        }
        switch kind {
        case "tag":
            guard let id = Int64(text), id != 0 else {
                throw ProgramError(malformed, "--\(prefix)tag \(text): not a tag ID")
            }
            return .id(TagID(rawValue: id))
        case "code":
            do { return .identity(.code(try CodeText(text)), try eventKey()) } catch let error as CodeTextError {
                throw ProgramError(malformed, "--\(prefix)code '\(text)' \(error)")
            }
        default:
            let digits = text.filter { $0 != ":" && $0 != "-" && $0 != " " }
            guard let uid = Hex.decode(digits), (1...32).contains(uid.count) else {
                throw ProgramError(
                    malformed, "--\(prefix)\(kind) \(text): not a UID in hexadecimal (1 to 32 bytes)")
            }
            return .identity(kind == "sun" ? .sun(uid) : .uid(uid), try eventKey())
        }
    }
}

/// A tag that a command line names.
package enum NamedTag: Sendable {
    case id(TagID)
    case identity(TagIdentity, EventKey)

    /// Returns the tag ID.
    ///
    /// - Parameter codeCase: the event's rule for codes.
    package func id(_ codeCase: CodeCase) -> TagID {
        switch self {
        case .id(let id): id
        case .identity(let identity, let key): key.with(codeCase).tagID(of: identity)
        }
    }
}

extension ScannerID {
    /// Parses a scanner's identity from a command line.
    ///
    /// - Throws: `ProgramError` (usage).
    package init(argument text: String) throws {
        guard let id = ScannerID(text) else {
            throw ProgramError.usage(
                "'\(text)' is not a scanner's identity: 1 to 63 of a-z, 0-9 and -, not beginning with -")
        }
        self = id
    }
}
