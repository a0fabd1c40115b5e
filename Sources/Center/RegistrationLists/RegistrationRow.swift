import Runtime
package import ScanModel

/// What one row of a list says of an attendee, whatever format the list has.
package struct RegistrationRow: Sendable {
    /// Maximum number of different access sets (zones and times, or passes) in one list. Gates hold all passes in memory.
    package static let accessSetLimit = 100_000

    /// Longest name, category, reference, in bytes: PostgreSQL indexes them, and a row of an index holds 2,704 bytes.
    package static let textLimitBytes = 1_000
    /// Longest code, in bytes: readers take no longer ones.
    package static let codeLimitBytes = 256

    package struct Tag: Hashable, Sendable {
        package let id: TagID
        /// As the list has it; active unless it says otherwise.
        package var status = TagStatus.active
        /// The list voids it and brings it back; what is lost stays lost. Else a list only ends tags.
        package var returns = false
    }

    package enum Status: String, CaseIterable, Sendable { case active, blocked, void }

    /// What an attendee may enter.
    package enum Opens: Hashable, Sendable {
        /// A pass by its name, which is there. Times narrow what it gives: microseconds since 1970, nil: no bound.
        package struct Part: Hashable, Sendable, CustomStringConvertible {
            package let pass: String
            package var from: Int64?
            package var until: Int64?

            package init(pass: String, from: Int64? = nil, until: Int64? = nil) {
                self.pass = pass
                self.from = from
                self.until = until
            }

            /// `Festival`, `Festival (from 2026-05-06T08:00:00.000Z until ...)`.
            package var description: String {
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

    /// See `RowError`.
    package let number: Int
    package let name: String
    package let category: String?
    package let status: Status
    /// Nil: nothing.
    package let opens: Opens?
    package let externalRef: String?
    package let tags: [Tag]

    /// Throws for a text that is too long to be stored.
    static func checkLength(_ text: String, _ column: String, _ line: Int) throws(RowError) {
        guard text.utf8.count <= textLimitBytes else {
            throw RowError(
                line: line, "\(column): \(text.utf8.count) bytes where \(textLimitBytes) are allowed")
        }
    }

    /// The tag of a code. Throws a reason, for the user.
    static func tag(code: String, _ key: EventKey) throws(CellError) -> Tag {
        guard code.utf8.count <= codeLimitBytes, !code.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw CellError("is longer than \(codeLimitBytes) bytes, or holds control characters: no reader takes it")
        }
        return try tag(key.tagID(of: .code(code)))
    }

    /// Throws for a tag ID of 0: one in 2^64, and it stands for "no tag".
    static func tag(_ id: TagID) throws(CellError) -> Tag {
        guard id != .none else { throw CellError("has the tag ID 0: give another tag") }
        return Tag(id: id)
    }
}
