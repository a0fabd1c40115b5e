import Runtime

/// A time that is no RFC 3339 time, as people and spreadsheets write it: `06/05/2026 08:00`, `2026-05-06T08:00+0400`.
///
/// It is read only to show how the time is written correctly.
struct LooseTime {
    /// Date and time, as `2026-05-06T08:00:00`.
    let local: String
    /// The time in RFC 3339; `nil` if the text has no offset from UTC.
    let withOffset: String?
    /// Whether the text has a time of day. `local` has midnight otherwise.
    let hasClock: Bool
    /// Whether day and month can be the other way round. `local` has the day first.
    let isAmbiguous: Bool

    /// - Returns: `nil` for a text that is no time in one of `RegistrationRow.years`.
    init?(_ text: String) {
        guard text.utf8.count <= 40 else { return nil }
        let bytes = text.uppercased()
        let dateEnd = bytes.firstIndex { $0 == "T" || $0 == " " } ?? bytes.endIndex
        guard let (date, isAmbiguous) = Self.date(bytes[..<dateEnd]) else { return nil }
        let rest = bytes[dateEnd...].dropFirst().filter { $0 != " " }
        let clockEnd = rest.firstIndex { $0 == "Z" || $0 == "+" || $0 == "-" } ?? rest.endIndex
        guard let clock = Self.clock(rest[..<clockEnd]) else { return nil }
        let local = "\(date)T\(clock)"
        guard let time = UTCTime.microseconds(local + "Z"),
            RegistrationRow.years.contains(Int(date.prefix(4)) ?? 0), time > 0
        else { return nil }
        (self.local, self.isAmbiguous, hasClock) = (local, isAmbiguous, clockEnd > rest.startIndex)
        guard clockEnd < rest.endIndex else {
            withOffset = nil
            return
        }
        guard let offset = Self.offset(rest[clockEnd...]), UTCTime.microseconds(local + offset) != nil else {
            return nil
        }
        withOffset = local + offset
    }

    private static func numbers(_ text: Substring, _ separator: Character) -> [Int]? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let numbers = parts.compactMap { $0.utf8.allSatisfy { (48...57).contains($0) } ? Int($0) : nil }
        return numbers.count == parts.count && parts.allSatisfy { $0.utf8.count <= 4 } ? numbers : nil
    }

    /// Returns a date as `2026-05-06`. The year is first or last; with a full stop the day is before the month.
    private static func date(_ text: Substring) -> (String, isAmbiguous: Bool)? {
        guard let separator = text.first(where: { $0 == "-" || $0 == "/" || $0 == "." }),
            let parts = numbers(text, separator), parts.count == 3
        else { return nil }
        if parts[0] > 31 { return (joined(parts[0], parts[1], parts[2]), false) }
        if parts[0] <= 12, parts[1] > 12 { return (joined(parts[2], parts[0], parts[1]), false) }
        return (joined(parts[2], parts[1], parts[0]), separator != "." && parts[0] <= 12 && parts[0] != parts[1])
    }

    private static func joined(_ year: Int, _ month: Int, _ day: Int) -> String {
        "\(padded(year, 4))-\(padded(month))-\(padded(day))"
    }

    /// Returns `08:00:00` for `8:00`; midnight for an empty text.
    private static func clock(_ text: Substring) -> String? {
        guard !text.isEmpty else { return "00:00:00" }
        let whole = text.prefix { $0 != "." }
        guard let parts = numbers(whole, ":"), (2...3).contains(parts.count) else { return nil }
        return (parts + (parts.count == 2 ? [0] : [])).map { padded($0) }.joined(separator: ":")
    }

    /// Returns `+04:00` for `+0400`, `+4` or `+04:00`; `Z` for `Z`.
    private static func offset(_ text: Substring) -> String? {
        if text == "Z" { return "Z" }
        let digits = text.dropFirst().filter { $0 != ":" }
        guard (1...4).contains(digits.utf8.count), let number = Int(digits), number >= 0 else { return nil }
        let (hours, minutes) = digits.utf8.count <= 2 ? (number, 0) : (number / 100, number % 100)
        return "\(text.first ?? "+")\(padded(hours)):\(padded(minutes))"
    }

    private static func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
