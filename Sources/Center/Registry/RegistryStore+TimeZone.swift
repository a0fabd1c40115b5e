import Postgres
import Runtime

extension RegistryStore {
    /// Maximum number of zones in an error.
    private static let nearLimit = 6

    /// Returns the spelling of a time zone in PostgreSQL.
    ///
    /// PostgreSQL also takes offsets, with the inverted sign of POSIX: `UTC+4` is west of Greenwich. It takes
    /// abbreviations that several regions use (`IST`). Both are refused. So is `Etc/GMT+4`, with the inverted sign.
    ///
    /// - Throws: `RegistryError.invalidTimeZone` with the names that may be meant; `PostgresError`.
    func timeZone(_ text: String) throws -> String {
        let names = try timeZoneNames()
        if let name = names.first(where: { $0.lowercased() == text.lowercased() }) { return name }
        throw RegistryError.invalidTimeZone(text, near: try near(text, names))
    }

    private func timeZoneNames() throws -> [String] {
        let rows = try connection.query(
            """
            SELECT name FROM pg_timezone_names
            WHERE name = 'UTC' OR name LIKE '%/%' AND name !~ '^(posix|right|SystemV)/' AND name !~ '^Etc/GMT[-+0-9]'
            ORDER BY name
            """)
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }

    /// Returns the names for an offset, an abbreviation or a misspelled name.
    private func near(_ text: String, _ names: [String]) throws -> [String] {
        if let seconds = Self.offset(text) { return try zones("extract(epoch FROM utc_offset) = $1", .int64(seconds)) }
        let abbreviated = try zones("abbrev = upper($1)", .text(text))
        if !abbreviated.isEmpty { return abbreviated }
        if let zone = Self.abbreviations[text.uppercased()] { return [zone] }
        let spelled = text.split(separator: "/").last.map { $0.split(separator: " ").joined(separator: "_") } ?? ""
        let cities = Dictionary(grouping: names) { $0.split(separator: "/").last.map(String.init) ?? $0 }
        // The spelling of an abbreviation says nothing: GST is not Etc/GMT.
        if text.utf8.count <= 4 || (text.utf8.count == 5 && text == text.uppercased()), !text.contains("/") {
            let equal = cities.filter { $0.key.lowercased() == spelled.lowercased() }
            return Array(equal.flatMap(\.value).prefix(Self.nearLimit))
        }
        let near =
            NearestName.matches(text, in: names)
            + NearestName.matches(spelled, in: cities.keys).flatMap { cities[$0] ?? [] }
        var seen: Set<String> = []
        return Array(near.filter { seen.insert($0).inserted }.prefix(Self.nearLimit))
    }

    /// Abbreviations that PostgreSQL has no zone for at the moment: it knows numbers for these zones, or the other half
    /// of the year.
    private static let abbreviations = [
        "GST": "Asia/Dubai", "SGT": "Asia/Singapore", "AST": "Asia/Riyadh", "ICT": "Asia/Bangkok",
        "TRT": "Europe/Istanbul", "IRST": "Asia/Tehran", "NPT": "Asia/Kathmandu", "BRT": "America/Sao_Paulo",
        "ART": "America/Argentina/Buenos_Aires", "CEST": "Europe/Berlin", "EEST": "Europe/Athens",
        "BST": "Europe/London", "EDT": "America/New_York", "CDT": "America/Chicago", "MDT": "America/Denver",
        "PDT": "America/Los_Angeles", "AEST": "Australia/Brisbane",
    ]

    private func zones(_ condition: String, _ parameter: PostgresParameter) throws -> [String] {
        let rows = try connection.query(
            """
            SELECT name FROM pg_timezone_names
            WHERE name ~ '^(Africa|America|Asia|Atlantic|Australia|Europe|Indian|Pacific)/' AND \(condition)
            ORDER BY name NOT IN ('Africa/Cairo', 'Africa/Johannesburg', 'Africa/Lagos', 'America/Chicago',
                'America/New_York', 'America/Los_Angeles', 'America/Sao_Paulo', 'Asia/Dubai', 'Asia/Jerusalem',
                'Asia/Kolkata', 'Asia/Riyadh', 'Asia/Singapore', 'Asia/Tokyo', 'Australia/Sydney', 'Europe/Berlin',
                'Europe/Dublin', 'Europe/London', 'Europe/Paris'), name
            LIMIT \(Self.nearLimit)
            """, [parameter])
        return (0..<rows.rowCount).map { rows.text($0, 0) }
    }

    /// Returns the offset that a text such as `UTC+4`, `GMT-03:30` or `+04:00` means, in seconds east of Greenwich.
    private static func offset(_ text: String) -> Int64? {
        var rest = text.uppercased()[...]
        let isInverted = rest.hasPrefix("ETC/GMT")
        for prefix in ["ETC/", "UTC", "GMT"] where rest.hasPrefix(prefix) { rest = rest.dropFirst(prefix.count) }
        guard let sign = rest.first, sign == "+" || sign == "-" else { return nil }
        let digits = rest.dropFirst().filter { $0 != ":" }
        guard digits.count <= 4, let value = Int64(digits), !digits.isEmpty else { return nil }
        let seconds = digits.count <= 2 ? value * 3_600 : value / 100 * 3_600 + value % 100 * 60
        return (sign == "-") != isInverted ? -seconds : seconds
    }
}
