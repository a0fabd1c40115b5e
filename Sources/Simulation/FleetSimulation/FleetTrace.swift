import CLI
import FileSystem
import Runtime
import ScanJournal
import ScanModel

/// Taps from a file: CSV with a header.
///
/// - `scanner`: a number from 1, or `gate`: a name; the first name met is the first scanner, and so on.
/// - `tag`: a tag ID in decimal, or `uid`: hexadecimal, which needs the event key.
/// - `at`: RFC 3339.
/// - `direction`, optional: `in` or `out`.
///
/// Each tap is journalled as admitted, in the file's order, with its own time. Numbers beyond the scanners of the fleet begin
/// again at the first.
struct FleetTrace: Sendable {
    /// Taps by scanner.
    let taps: [[Journal.Entry]]
    /// Largest file that is read, bytes.
    static let limitBytes = 1 << 30

    var count: Int { taps.reduce(0) { $0 + $1.count } }

    init(path: String, scanners: Int, key: EventKey?, limit: Int?) throws {
        try self.init(
            text: try Files.readText(path, limit: FleetTrace.limitBytes), name: path, scanners: scanners, key: key,
            limit: limit)
    }

    /// Throws `ProgramError` (configuration) naming the first bad line.
    init(text: String, name: String, scanners: Int, key: EventKey?, limit: Int?) throws {
        var taps: [[Journal.Entry]] = Array(repeating: [], count: scanners)
        var columns: [String: Int] = [:]
        var gates: [Substring: Int] = [:]
        var count = 0
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            if number == 0 {
                columns = try FleetTrace.columns(fields, name, hasKey: key != nil)
                continue
            }
            if line.isEmpty { continue }
            if let limit, count == limit { break }
            func bad(_ what: String) -> ProgramError { .configuration("\(name), line \(number + 1): \(what)") }
            func field(_ column: String) throws -> Substring? {
                guard let index = columns[column] else { return nil }
                guard index < fields.count else { throw bad("\(column) is missing") }
                return fields[index]
            }
            let scanner: Int
            if let text = try field("scanner") {
                guard let given = Int(text), given >= 1 else { throw bad("scanner '\(text)' is not a number from 1") }
                scanner = (given - 1) % scanners
            } else {
                let gate = try field("gate") ?? ""
                let met = gates[gate] ?? gates.count
                gates[gate] = met
                scanner = met % scanners
            }
            let tag: TagID
            if let text = try field("tag") {
                guard let value = Int64(text) else { throw bad("tag '\(text)' is not a tag ID") }
                tag = TagID(rawValue: value)
            } else {
                guard let uid = FleetTrace.bytes(try field("uid") ?? ""), let key else {
                    throw bad("uid is not hexadecimal")
                }
                tag = key.tagID(of: .uid(uid))
            }
            guard let at = try field("at"), let micros = UTCTime.microseconds(at) else {
                throw bad("at is not an RFC 3339 time")
            }
            guard let direction = Direction(rawValue: String(try field("direction") ?? "in")) else {
                throw bad("direction is neither in nor out")
            }
            taps[scanner].append(
                Journal.Entry(
                    atMs: micros / 1_000, tag: tag, verdict: .admitted, flags: direction == .out ? .out : [], gate: nil,
                    snapshot: 0))
            count += 1
        }
        self.taps = taps
    }

    private static func columns(_ fields: [Substring], _ name: String, hasKey: Bool) throws -> [String: Int] {
        var columns: [String: Int] = [:]
        for (index, field) in fields.enumerated() {
            guard ["scanner", "gate", "tag", "uid", "at", "direction"].contains(String(field)) else {
                throw ProgramError.configuration("\(name): unknown column '\(field)'")
            }
            columns[String(field)] = index
        }
        guard columns["scanner"] != nil || columns["gate"] != nil, columns["at"] != nil,
            columns["tag"] != nil || columns["uid"] != nil
        else { throw ProgramError.configuration("\(name): columns scanner or gate, tag or uid, and at are needed") }
        guard columns["tag"] != nil || hasKey else {
            throw ProgramError.configuration("\(name) has UIDs: --event-key-file is needed")
        }
        return columns
    }

    private static func bytes(_ hex: Substring) -> [UInt8]? {
        let digits = hex.map(\.hexDigitValue)
        guard !digits.isEmpty, digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) }
    }
}
