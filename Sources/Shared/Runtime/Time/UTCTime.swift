import Glibc

/// Times in RFC 3339. FoundationEssentials takes a hundred times as long, too long for one line per tap.
package enum UTCTime {
    /// Formats a time, for example `2026-11-23T20:47:01.123Z`.
    ///
    /// - Parameter microseconds: microseconds since 1970-01-01 UTC; years 1970 to 9999. Rounded down to milliseconds.
    /// - Returns: the time in UTC.
    package static func text(microseconds: Int64) -> String {
        let (days, rest) = microseconds.flooredDivision(by: 86_400_000_000)
        let (year, month, day) = civil(daysSince1970: days)
        let ms = rest / 1_000
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
            + "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2)).\(padded(ms % 1_000, 3))Z"
    }

    /// Formats a time in milliseconds since 1970-01-01 UTC, as `text(microseconds:)` does.
    ///
    /// Takes any number, because it may come from outside: times outside the years 1 to 9999 give the nearest of these.
    package static func text(milliseconds: Int64) -> String { text(bounded: milliseconds, unitMicros: 1_000) }

    /// Formats a time in seconds since 1970-01-01 UTC, as `text(milliseconds:)` does.
    package static func text(seconds: Int64) -> String { text(bounded: seconds, unitMicros: 1_000_000) }

    /// The years 1 to 9999, in microseconds since 1970-01-01 UTC.
    private static let printable: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999

    private static func text(bounded time: Int64, unitMicros: Int64) -> String {
        let (micros, isTooLarge) = time.multipliedReportingOverflow(by: unitMicros)
        let nearest = time < 0 ? printable.lowerBound : printable.upperBound
        return text(microseconds: isTooLarge ? nearest : min(max(micros, printable.lowerBound), printable.upperBound))
    }

    /// Parses a time with `Z`, `z` or an offset. A space may replace the T. Fractions are truncated to microseconds.
    ///
    /// - Parameter text: a time in RFC 3339.
    /// - Returns: microseconds since 1970-01-01 UTC; `nil` for any other text and for invalid dates.
    package static func microseconds(_ text: some StringProtocol) -> Int64? {
        var bytes = Array(text.utf8)[...]
        func number(_ digits: Int) -> Int64? {
            guard bytes.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in bytes.prefix(digits) {
                guard byte >= 48 && byte <= 57 else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            bytes = bytes.dropFirst(digits)
            return value
        }
        func take(_ characters: String) -> UInt8? {
            guard let first = bytes.first, characters.utf8.contains(first) else { return nil }
            bytes = bytes.dropFirst()
            return first
        }
        guard let year = number(4), take("-") != nil, let month = number(2), take("-") != nil, let day = number(2),
            take("Tt ") != nil, let hour = number(2), take(":") != nil, let minute = number(2), take(":") != nil,
            let second = number(2), (1...12).contains(month), day >= 1, hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = self.days(year: year, month: month, day: day)
        guard civil(daysSince1970: days) == (year, month, day) else { return nil }
        var fraction: Int64 = 0
        if take(".") != nil {
            var scale: Int64 = 100_000
            guard let first = bytes.first, first >= 48 && first <= 57 else { return nil }
            while let byte = bytes.first, byte >= 48 && byte <= 57 {
                fraction += Int64(byte - 48) * scale
                scale /= 10
                bytes = bytes.dropFirst()
            }
        }
        var offset: Int64 = 0
        if take("Zz") == nil {
            guard let sign = take("+-"), let hours = number(2), take(":") != nil, let minutes = number(2), hours < 24,
                minutes < 60
            else { return nil }
            offset = (hours * 3_600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
        }
        guard bytes.isEmpty else { return nil }
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
        return seconds * 1_000_000 + fraction
    }

    /// Returns a number with leading zeros.
    fileprivate static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // Proleptic Gregorian calendar in eras of 400 years or 146,097 days; years begin in March.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.flooredDivision(by: 400).quotient
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

/// Local time for displays, by the C library, which knows the time zones.
package enum LocalTime {
    /// Returns `HH:MM` of an instant in seconds since 1970-01-01 UTC.
    package static func clock(_ seconds: Int64) -> String {
        var instant = time_t(seconds)
        var parts = tm()
        localtime_r(&instant, &parts)
        return UTCTime.padded(Int64(parts.tm_hour), 2) + ":" + UTCTime.padded(Int64(parts.tm_min), 2)
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
