import TextRules

/// Recognises a file that is in another format than the one that it is read in.
enum FormatGuess {
    private static let eventbrite: Set<String> = [
        "attendee #", "attendee id", "attendee no.", "ticket type", "barcode #", "barcode number", "attendee status",
    ]
    private static let people: Set<String> = ["uid", "sun", "code", "tag_id", "external_ref", "zones"]

    /// Returns the error of a header of another format; `nil` for any other record.
    ///
    /// - Parameters:
    ///   - record: a record that is no valid header of its format.
    ///   - columns: names of the columns of its format, in lower case.
    static func problem(_ record: CSVReader.Record, _ columns: Set<String>) -> RowError? {
        // Lines above the header can have misled the choice of the separator.
        let cells = record.cells.compactMap(\.self).flatMap { $0.split { $0 == "," || $0 == ";" || $0 == "\t" } }
        let names = Set(cells.map { String($0).trimmingInvisible.lowercased() })
        let found: (words: String, format: ListFormat)
        if names.intersection(eventbrite).count >= 2, !columns.contains("ticket type") {
            found = ("an attendee report of Eventbrite", .eventbrite)
        } else if names.isSuperset(of: ["name", "zone"]), names.isDisjoint(with: people), !columns.contains("zone") {
            found = ("a list of passes", .passes)
        } else if names.contains("name"), !names.isDisjoint(with: people), columns.isDisjoint(with: people) {
            found = ("a registration list", .people)
        } else {
            return nil
        }
        return RowError(
            record.line, at: "line \(record.line)", "this is the header of \(found.words), which is another format",
            .otherFormat(found.format))
    }

    /// Returns the error of a file that begins as JSON does; `nil` for any other beginning.
    static func jsonProblem(_ head: ArraySlice<UInt8>) -> RowError? {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let text = head.drop(while: isSpace)
        let next = text.dropFirst().drop(while: isSpace).first
        guard text.first == UInt8(ascii: "{") || (text.first == UInt8(ascii: "[") && next == UInt8(ascii: "{")) else {
            return nil
        }
        return RowError(1, at: "line 1", "the file is JSON, not CSV", .otherFormat(.pretix))
    }
}
