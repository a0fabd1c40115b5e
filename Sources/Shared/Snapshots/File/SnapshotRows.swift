import SQLite
import ScanModel

/// Reads the small tables of a snapshot, each of a few hundred rows at most.
struct SnapshotRows {
    let database: Database
    let path: String

    func meta(_ key: String) throws -> String {
        guard let value = try database.text("SELECT value FROM meta WHERE key = ?", .text(key)) else {
            throw SnapshotError(path: path, detail: "meta has no \(key)")
        }
        return value
    }

    /// - Returns: `nil` without the key.
    /// - Throws: `SnapshotError` for a value that is not valid, `SQLiteError`.
    func optionalMeta(_ key: String, _ isValid: (String) -> Bool) throws -> String? {
        guard let value = try database.text("SELECT value FROM meta WHERE key = ?", .text(key)) else { return nil }
        guard isValid(value) else { throw SnapshotError(path: path, detail: "meta \(key) is '\(value)'") }
        return value
    }

    /// The event's rule for codes. Snapshots of older programs lack the row, and their codes are exact.
    func codeCase() throws -> CodeCase {
        guard let text = try database.text("SELECT value FROM meta WHERE key = 'code_case'") else { return .exact }
        guard let codeCase = CodeCase(rawValue: text) else {
            throw SnapshotError(path: path, detail: "meta code_case is '\(text)', which this program does not know")
        }
        return codeCase
    }

    /// - Parameter range: the accepted numbers. A signature proves who wrote a number, not that it is sensible.
    func metaNumber(_ key: String, in range: Range<Int64>) throws -> Int64 {
        let text = try meta(key)
        guard let number = Int64(text), range.contains(number) else {
            throw SnapshotError(
                path: path, detail: "meta \(key) is '\(text)', not a number below \(range.upperBound)")
        }
        return number
    }

    func passes() throws -> [Int64: Pass] {
        var access: [Int64: [Access]] = [:]
        try database.prepare("SELECT pass, zone, valid_from, valid_until FROM access ORDER BY id").rows { row in
            access[row.int(0), default: []].append(
                Access(zone: row.int(1), from: row.optionalInt(2), until: row.optionalInt(3)))
        }
        var passes: [Int64: Pass] = [:]
        try database.prepare("SELECT id, name, colour, note, reentry FROM passes").rows { row in
            guard let reentry = Pass.Reentry(rawValue: row.text(4)) else {
                throw SnapshotError(path: path, detail: "pass \(row.int(0)) has reentry '\(row.text(4))'")
            }
            passes[row.int(0)] = Pass(
                id: row.int(0), name: row.optionalText(1), colour: row.optionalText(2), note: row.optionalText(3),
                reentry: reentry, access: access[row.int(0)] ?? [])
        }
        return passes
    }

    func zones() throws -> [Int64: Zone] {
        var zones: [Int64: Zone] = [:]
        try database.prepare("SELECT id, name, parent FROM zones").rows { row in
            zones[row.int(0)] = Zone(id: row.int(0), name: row.text(1), parent: row.optionalInt(2))
        }
        return zones
    }

    func gates() throws -> [Int64: Gate] {
        var gates: [Int64: Gate] = [:]
        try database.prepare("SELECT id, name, zone, from_zone, policy FROM gates").rows { row in
            let policy: Policy
            do { policy = try Policy(json: row.text(4)) } catch {
                throw SnapshotError(path: path, detail: "gate \(row.text(1)): \(error)")
            }
            gates[row.int(0)] = Gate(
                id: row.int(0), name: row.text(1), zone: row.int(2), fromZone: row.optionalInt(3), policy: policy)
        }
        return gates
    }

    func scanners() throws -> [String: Int64?] {
        var scanners: [String: Int64?] = [:]
        try database.prepare("SELECT scanner, gate FROM scanners").rows { row in
            scanners[row.text(0)] = .some(row.optionalInt(1))
        }
        return scanners
    }

    func days() throws -> [Day] {
        var days: [Day] = []
        try database.prepare("SELECT day, starts, ends FROM days ORDER BY starts").rows { row in
            let day = Day(day: row.text(0), starts: row.int(1), ends: row.int(2))
            guard Bounds.timesS.contains(day.starts), Bounds.timesS.contains(day.ends) else {
                throw SnapshotError(path: path, detail: "day '\(day.day)' is outside the years 1970 to 2199")
            }
            days.append(day)
        }
        return days
    }
}
