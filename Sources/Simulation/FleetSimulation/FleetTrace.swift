import Crypto
import FileSystem
import Runtime
import ScanJournal
import ScanModel

/// Taps from a CSV file with a header.
///
/// Each tap is journaled as admitted, with the time of its line, in the order of the file. The columns:
///
/// - `scanner`: a number from 1; numbers above the size of the fleet wrap around. Or `gate`: a name; gates get the
///   scanners in the order in which they occur.
/// - `tag`: a tag ID in decimal. Or `uid`: hexadecimal, which needs the event key.
/// - `at`: RFC 3339.
/// - `direction`, optional: `in` or `out`.
struct FleetTrace: Sendable {
    /// Maximum size of the file, in bytes.
    static let limitBytes = 1 << 30
    private static let names: Set<Substring> = ["scanner", "gate", "tag", "uid", "at", "direction"]

    /// The taps of each scanner.
    let taps: [[Journal.Entry]]

    var count: Int { taps.reduce(0) { $0 + $1.count } }

    /// - Throws: `SystemError` if the file cannot be read, otherwise as `init(text:name:scanners:key:limit:)`.
    init(path: String, scanners: Int, key: EventKey?, limit: Int?) throws {
        try self.init(
            text: try Files.readText(path, limit: FleetTrace.limitBytes), name: path, scanners: scanners, key: key,
            limit: limit)
    }

    /// - Parameters:
    ///   - name: the path, for error messages.
    ///   - scanners: the size of the fleet.
    ///   - limit: the number of taps to read; `nil` for all.
    /// - Throws: `FleetError.invalidTrace` for the first invalid line, `FleetError.eventKeyMissing`.
    init(text: String, name: String, scanners: Int, key: EventKey?, limit: Int?) throws {
        var taps: [[Journal.Entry]] = Array(repeating: [], count: scanners)
        var columns: [Substring: Int] = [:]
        var gates: [Substring: Int] = [:]
        var count = 0
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            if index == 0 {
                columns = try FleetTrace.columns(fields, name, hasKey: key != nil)
                continue
            }
            if line.isEmpty { continue }
            if let limit, count == limit { break }
            let row = Row(path: name, line: index + 1, fields: fields, columns: columns)
            taps[try row.scanner(of: scanners, &gates)].append(try row.tap(key))
            count += 1
        }
        self.taps = taps
    }

    private static func columns(_ fields: [Substring], _ name: String, hasKey: Bool) throws -> [Substring: Int] {
        func invalid(_ detail: String) -> FleetError { .invalidTrace(path: name, line: 1, detail: detail) }
        if let unknown = fields.first(where: { !names.contains($0) }) { throw invalid("unknown column '\(unknown)'") }
        let columns = Dictionary(fields.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
        guard columns["scanner"] != nil || columns["gate"] != nil, columns["at"] != nil,
            columns["tag"] != nil || columns["uid"] != nil
        else { throw invalid("the columns 'scanner' or 'gate', 'tag' or 'uid', and 'at' are required") }
        guard columns["tag"] != nil || hasKey else { throw FleetError.eventKeyMissing(path: name) }
        return columns
    }

    /// One line after the header.
    private struct Row {
        let path: String
        let line: Int
        let fields: [Substring]
        let columns: [Substring: Int]

        func invalid(_ detail: String) -> FleetError { .invalidTrace(path: path, line: line, detail: detail) }

        /// The text of a column, or `nil` if the trace does not have it.
        func field(_ column: Substring) throws -> Substring? {
            guard let index = columns[column] else { return nil }
            guard index < fields.count else { throw invalid("the field '\(column)' is missing") }
            return fields[index]
        }

        /// The index of the scanner; `gates` holds the gates of earlier lines.
        func scanner(of count: Int, _ gates: inout [Substring: Int]) throws -> Int {
            guard let text = try field("scanner") else {
                let gate = try field("gate") ?? ""
                let number = gates[gate] ?? gates.count
                gates[gate] = number
                return number % count
            }
            guard let number = Int(text), number >= 1 else { throw invalid("scanner '\(text)' is not a number from 1") }
            return (number - 1) % count
        }

        func tap(_ key: EventKey?) throws -> Journal.Entry {
            let tag: TagID
            if let text = try field("tag") {
                guard let value = Int64(text) else { throw invalid("tag '\(text)' is not a tag ID") }
                tag = TagID(rawValue: value)
            } else {
                guard let uid = Hex.decode(try field("uid") ?? ""), !uid.isEmpty, let key else {
                    throw invalid("the UID is not hexadecimal")
                }
                tag = key.tagID(of: .uid(uid))
            }
            guard let at = try field("at"), let micros = UTCTime.microseconds(at) else {
                throw invalid("'at' is not an RFC 3339 time")
            }
            guard let direction = Direction(rawValue: String(try field("direction") ?? "in")) else {
                throw invalid("the direction is neither 'in' nor 'out'")
            }
            return Journal.Entry(
                atMs: micros / 1_000, tag: tag, verdict: .admitted, flags: direction == .out ? .out : [], gate: nil,
                snapshot: 0)
        }
    }
}
