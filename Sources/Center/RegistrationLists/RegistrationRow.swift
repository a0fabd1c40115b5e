import Runtime
package import ScanModel
import TextRules

/// One attendee of a registration list, independent of the format of the list.
package struct RegistrationRow: Sendable {
    /// Maximum number of different access sets (zones and times, or passes) in one list. Gates hold all passes in
    /// memory.
    package static let accessSetLimit = 100_000

    /// Maximum number of zones in one row. A zone includes those within it, and the import holds the zones of all access
    /// sets.
    static let zonesLimit = 200

    /// Maximum length of name, category and reference, in bytes. PostgreSQL indexes them, and a row of an index holds
    /// at most 2,704 bytes.
    package static let textLimitBytes = 1_000
    /// A tag of the attendee.
    package struct Tag: Hashable, Sendable {
        /// ID of the tag.
        package let id: TagID
        /// The status in the list; active if the list has none.
        package var status = TagStatus.active
        /// Whether the list can make the tag active again after it was void. A lost tag stays lost. If `false`, the
        /// list can only make the tag lost or void.
        package var isRestorable = false
        /// Whether the ID was made with the event key, and not written in the list.
        package var isKeyed = true
    }

    /// Status of the attendee in the list.
    package enum Status: String, CaseIterable, Sendable { case active, blocked, void }

    /// The access of an attendee: passes, or zones with times.
    package enum AccessSet: Hashable, Sendable {
        /// An existing pass, by name, optionally restricted to a period.
        package struct Part: Hashable, Sendable, CustomStringConvertible {
            /// Name of the pass.
            package let pass: String
            /// Microseconds since 1970; `nil`: no bound.
            package var from: Int64?
            /// Microseconds since 1970; `nil`: no bound.
            package var until: Int64?

            /// A pass, restricted to `from` and `until` (microseconds since 1970; `nil`: no bound).
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

        /// The combined access of at least one pass.
        case passes([Part])
        /// Zone names, sorted and unique, with times in microseconds since 1970; `nil`: no bound.
        case zones([String], from: Int64?, until: Int64?)
    }

    /// The rank of the row, as in `RowError.number`.
    package let number: Int
    /// Name of the attendee.
    package let name: String
    /// Category of the attendee; `nil` if the list has none.
    package let category: String?
    /// Status of the attendee.
    package let status: Status
    /// `nil`: no access.
    package let access: AccessSet?
    /// Reference of the attendee in the system that made the list; `nil` if the list has none.
    package let externalRef: String?
    /// The tags of the attendee; may be empty.
    package let tags: [Tag]

    /// - Throws: `RowError` if the text is longer than `textLimitBytes`.
    static func checkLength(_ text: String, _ column: String, _ line: Int) throws(RowError) {
        do throws(CellError) { try checkLength(text) } catch { throw RowError(line: line, "\(column): \(error)") }
    }

    private static func checkLength(_ text: String) throws(CellError) {
        guard text.utf8.count <= textLimitBytes else {
            throw CellError("\(text.utf8.count) bytes, but at most \(textLimitBytes) are allowed")
        }
    }

    /// - Throws: `RowError` as `checkText(_:)`.
    static func checkText(_ text: String, _ column: String, _ line: Int) throws(RowError) {
        do throws(CellError) { try checkText(text) } catch { throw RowError(line: line, "\(column): \(error)") }
    }

    /// Checks a text that is stored: name, category, colour, note.
    ///
    /// - Throws: `CellError` for a text longer than `textLimitBytes`, and for a control character: it would forge a row,
    ///   or command the terminal, wherever the text is shown.
    package static func checkText(_ text: String) throws(CellError) {
        try checkLength(text)
        if let control = text.unicodeScalars.first(where: \.isControl) {
            throw CellError("'\(text.visibleInLine)' holds the control character \(control.codePoint): remove it")
        }
    }

    /// Checks the reference of an attendee in another system. Each format of lists has the same rule.
    ///
    /// - Throws: `CellError` for a result of a spreadsheet, an invisible character, blanks at the ends, and too many
    ///   bytes.
    package static func checkReference(_ text: String) throws(CellError) {
        try SpreadsheetText.check(text)
        if let invisible = text.unicodeScalars.first(where: \.isInvisible) {
            throw CellError("holds the invisible character \(invisible.codePoint): remove it")
        }
        guard text == text.trimmingInvisible else { throw CellError("has blanks at its ends: remove them") }
        guard text.utf8.count <= textLimitBytes else {
            throw CellError("has \(text.utf8.count) bytes, but at most \(textLimitBytes) are allowed")
        }
    }

    /// Years of the times in a list. Others are typing errors.
    package static let years = 2_000...2_199
    /// `years` in microseconds since 1970.
    private static let times: Range<Int64> = 946_684_800_000_000..<7_258_118_400_000_000

    /// Checks the name of a pass. Cells of lists name a pass exactly.
    ///
    /// - Throws: `CellError` for an error value of a spreadsheet, a replaced character, and an invisible character that
    ///   no script needs.
    static func checkPassName(_ text: String) throws(CellError) {
        try SpreadsheetText.checkDamage(text)
        if let stray = text.strayInvisible {
            throw CellError("holds the invisible character \(stray.codePoint): remove it")
        }
    }

    /// Returns the time in a cell, in microseconds since 1970.
    ///
    /// - Parameter isEnd: whether the time ends a period. The error about a date alone then names the end of its day.
    /// - Throws: `CellError` if the text is not an RFC 3339 time in one of `years`.
    static func time(_ text: String, isEnd: Bool = false) throws(CellError) -> Int64 {
        guard let time = UTCTime.microseconds(text) else {
            let read = LooseTime(text)
            let endsDay = isEnd && read?.hasClock == false
            if !endsDay, let whole = read?.withOffset { throw CellError("is not an RFC 3339 time: write \(whole)") }
            throw CellError(
                read == nil
                    ? "is not an RFC 3339 time (2026-05-06T08:00:00Z)"
                    : (read?.hasClock == false ? "has no time and no offset from UTC" : "has no offset from UTC")
                        + (read?.isAmbiguous == true ? ", and its first number can be the day or the month" : ""),
                .timeOffset(local: read?.local, endsDay: endsDay))
        }
        guard times.contains(time) else {
            throw CellError("is not in the years \(years.lowerBound) to \(years.upperBound)")
        }
        return time
    }

    /// Whether a character separates the names in a cell: the semicolon, also the Arabic and the full-width one.
    package static func isListSeparator(_ character: Character) -> Bool {
        character == ";" || character == "\u{61b}" || character == "\u{ff1b}"
    }

    /// Returns the tag of a code.
    ///
    /// - Throws: `CellError` if no reader can read the code.
    static func tag(code: String, _ key: EventKey) throws(CellError) -> Tag {
        let normal: CodeText
        do { normal = try CodeText(code) } catch { throw CellError("\(error)") }
        return try tag(key.tagID(of: .code(normal)))
    }

    /// - Throws: `CellError` if the tag ID is 0, which means "no tag". The probability is 1 in 2^64.
    static func tag(_ id: TagID) throws(CellError) -> Tag {
        guard id != .none else { throw CellError("has the tag ID 0, which is reserved: use another tag") }
        return Tag(id: id)
    }
}

/// Status of one tag in the registry, as written in lists.
package enum TagStatus: String, CaseIterable, Sendable { case active, lost, void }
