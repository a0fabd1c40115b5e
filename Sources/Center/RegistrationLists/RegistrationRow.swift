internal import Runtime
public import Scans

/// What one row of a list says of an attendee, whatever format the list has.
public struct RegistrationRow: Sendable {
    /// Longest name, category, reference, in bytes: PostgreSQL indexes them, and a row of an index holds 2,704 bytes.
    public static let textLimitBytes = 1_000
    /// Longest code, in bytes: readers take no longer ones.
    public static let codeLimitBytes = 256

    public struct Tag: Hashable, Sendable {
        public let id: TagID
        /// As the list has it; active unless it says otherwise.
        public var status = Registry.TagStatus.active
        /// The list voids it and brings it back; what is lost stays lost. Else a list only ends tags.
        public var returns = false
    }

    public enum Status: String, CaseIterable, Sendable { case active, blocked, void }

    /// What an attendee may enter.
    public enum Opens: Hashable, Sendable {
        /// A pass by its name, which is there. Times narrow what it gives: microseconds since 1970, nil: no bound.
        public struct Part: Hashable, Sendable, CustomStringConvertible {
            public let pass: String
            public var from: Int64?
            public var until: Int64?

            /// `Festival`, `Festival (from 2026-05-06T08:00:00.000Z until ...)`.
            public var description: String {
                let times = [("from", from), ("until", until)].compactMap { word, time in
                    time.map { "\(word) \(UTCTime.text(microseconds: $0))" }
                }
                return pass + (times.isEmpty ? "" : " (\(times.joined(separator: " ")))")
            }
        }

        /// All of these at once; one at least.
        case passes([Part])
        /// Zone names, sorted and each once; microseconds since 1970, nil: always.
        case zones([String], from: Int64?, until: Int64?)
    }

    /// See `RowProblem`.
    public let number: Int
    public let name: String
    public let category: String?
    public let status: Status
    /// Nil: nothing.
    public let opens: Opens?
    public let externalRef: String?
    public let tags: [Tag]

    /// Throws for a text that is too long to be stored.
    static func checkLength(_ text: String, _ column: String, _ line: Int) throws(RowProblem) {
        guard text.utf8.count <= textLimitBytes else {
            throw RowProblem(
                line: line, "\(column): \(text.utf8.count) bytes where \(textLimitBytes) are allowed")
        }
    }

    /// The tag of a code. Throws a reason, for the user.
    static func tag(code: String, _ key: EventKey) throws(CellProblem) -> Tag {
        guard code.utf8.count <= codeLimitBytes, !code.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw CellProblem("is longer than \(codeLimitBytes) bytes, or holds control characters: no reader takes it")
        }
        return try tag(key.tagID(of: .code(code)))
    }

    /// Throws for a tag ID of 0: one in 2^64, and it stands for "no tag".
    static func tag(_ id: TagID) throws(CellProblem) -> Tag {
        guard id != .none else { throw CellProblem("has the tag ID 0: give another tag") }
        return Tag(id: id)
    }
}
