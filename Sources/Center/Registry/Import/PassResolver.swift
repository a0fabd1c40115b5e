import Postgres
import RegistrationLists
import Runtime

/// The zones and passes of the database during an import, within the transaction of the caller.
///
/// It creates missing zones and passes, changes passes that differ, and writes nothing else.
final class PassResolver {
    struct Access: Hashable {
        let zone: Int64
        /// Microseconds since 1970; `nil`: no bound.
        let from: Int64?
        /// Microseconds since 1970; `nil`: no bound.
        let until: Int64?
    }

    struct Pass {
        let id: Int64
        let name: String?
        var colour: String?
        var note: String?
        var reentry: String
        /// With the id of the row.
        var access: [(id: Int64, Access)]

        /// Whether an import would create this pass for zones and times. Such a pass has no name, colour, note or
        /// reentry rule. All its zones have the same times.
        var isShared: Bool {
            guard name == nil, colour == nil, note == nil, reentry == "gate", let (_, first) = access.first else {
                return false
            }
            return access.allSatisfy { ($1.from, $1.until) == (first.from, first.until) }
        }
    }

    private let connection: PostgresConnection
    private var zones: [String: Int64] = [:]
    /// The zones before the import.
    private let knownZones: [String]
    private(set) var named: [String: Pass] = [:]
    private var shared: [Set<Access>: Int64] = [:]
    private(set) var zonesMade: [String] = []
    private(set) var passesMade = 0
    private(set) var passesChanged = 0

    var names: Set<String> { Set(named.keys) }

    init(_ connection: PostgresConnection) throws {
        self.connection = connection
        let zones = try connection.query("SELECT id, name FROM tapline.zones")
        for row in 0..<zones.rowCount { self.zones[zones.text(row, 1)] = zones.int(row, 0) }
        knownZones = self.zones.keys.sorted()
        let access = try connection.query(
            """
            SELECT id, pass_id, zone_id, nullif(valid_from, '-infinity'), nullif(valid_until, 'infinity')
            FROM tapline.access
            WHERE valid_from IS DISTINCT FROM 'infinity' AND valid_until IS DISTINCT FROM '-infinity' ORDER BY id
            """, binary: true)
        var rows: [Int64: [(id: Int64, Access)]] = [:]
        for row in 0..<access.rowCount {
            rows[access.int(row, 1), default: []].append(
                (
                    access.int(row, 0),
                    Access(
                        zone: access.int(row, 2), from: access.optionalMicroseconds(row, 3),
                        until: access.optionalMicroseconds(row, 4))
                ))
        }
        let passes = try connection.query("SELECT id, name, colour, note, reentry FROM tapline.passes ORDER BY id")
        for row in 0..<passes.rowCount {
            let id = passes.int(row, 0)
            let pass = Pass(
                id: id, name: passes.optionalText(row, 1), colour: passes.optionalText(row, 2),
                note: passes.optionalText(row, 3), reentry: passes.text(row, 4), access: rows[id] ?? [])
            if let name = pass.name { named[name] = pass }
            guard pass.isShared else { continue }
            let signature = Set(pass.access.map(\.1))
            if shared[signature] == nil { shared[signature] = id }
        }
    }

    // MARK: Passes of a list

    /// Creates and changes passes as in the list, and updates the joined passes that have them as parts. Other passes
    /// stay unchanged.
    func store(_ list: PassCSV) throws {
        let joined = joinedPasses(except: Set(list.entries.map(\.name)))
        for entry in list.entries {
            let present = named[entry.name]
            func text(_ column: PassCSV.Column, _ now: String?) -> String? {
                list.columns.contains(column) ? entry.texts[column] : now
            }
            var access: Set<Access> = []
            for row in entry.access {
                access.insert(Access(zone: try zone(row.zone), from: row.from, until: row.until))
            }
            try store(
                entry.name, colour: text(.colour, present?.colour), note: text(.note, present?.note),
                reentry: text(.reentry, present?.reentry) ?? "gate", access)
        }
        for (name, parts) in joined { try store(name, parts) }
    }

    private func store(_ name: String, _ parts: [RegistrationRow.AccessSet.Part]) throws {
        guard let first = parts.first.flatMap({ named[$0.pass] }) else {
            preconditionFailure("a joined pass has existing parts")
        }
        try store(name, colour: first.colour, note: first.note, reentry: first.reentry, access(of: parts))
    }

    private func store(
        _ name: String, colour: String?, note: String?, reentry: String, _ access: Set<Access>
    ) throws {
        let texts = [PostgresParameter.optional(colour), .optional(note), .text(reentry)]
        guard var pass = named[name] else {
            let id = try connection.query(
                "INSERT INTO tapline.passes (name, colour, note, reentry) VALUES ($1, $2, $3, $4) RETURNING id",
                [.text(name)] + texts
            ).int(0, 0)
            let rows = try insert(access, into: id)
            named[name] = Pass(id: id, name: name, colour: colour, note: note, reentry: reentry, access: rows)
            passesMade += 1
            return
        }
        var isChanged = false
        if (pass.colour, pass.note, pass.reentry) != (colour, note, reentry) {
            // By its id: the list can spell the name in another Unicode form.
            try connection.query(
                "UPDATE tapline.passes SET colour = $2, note = $3, reentry = $4 WHERE id = $1",
                [.int64(pass.id)] + texts)
            (pass.colour, pass.note, pass.reentry, isChanged) = (colour, note, reentry, true)
        }
        var missing = access
        let kept = pass.access.filter { missing.remove($0.1) != nil }
        let gone = pass.access.map(\.id).filter { id in !kept.contains { $0.id == id } }
        if !gone.isEmpty {
            try connection.query("DELETE FROM tapline.access WHERE id = ANY ($1)", [.int64s(gone)])
        }
        pass.access = kept
        if !missing.isEmpty { pass.access += try insert(missing, into: pass.id) }
        named[name] = pass
        if isChanged || !gone.isEmpty || !missing.isEmpty { passesChanged += 1 }
    }

    private func insert(_ access: Set<Access>, into pass: Int64) throws -> [(id: Int64, Access)] {
        guard !access.isEmpty else { return [] }
        let rows = access.sorted {
            ($0.zone, $0.from ?? .min, $0.until ?? .max) < ($1.zone, $1.from ?? .min, $1.until ?? .max)
        }
        let made = try connection.query(
            """
            INSERT INTO tapline.access (pass_id, zone_id, valid_from, valid_until)
            SELECT $1, * FROM unnest($2::bigint[], $3::timestamptz[], $4::timestamptz[]) RETURNING id
            """,
            [
                .int64(pass), .int64s(rows.map(\.zone)), .optionalTimestamps(rows.map(\.from)),
                .optionalTimestamps(rows.map(\.until)),
            ])
        return rows.enumerated().map { (made.int($0.offset, 0), $0.element) }
    }

    // MARK: Passes of rows

    /// Returns the id of the pass for an access set. The pass is created if it is missing.
    func pass(for accessSet: RegistrationRow.AccessSet) throws -> Int64 {
        switch accessSet {
        case .zones(let names, let from, let until):
            var access: Set<Access> = []
            for name in names { access.insert(Access(zone: try zone(name), from: from, until: until)) }
            if let id = shared[access] { return id }
            let id = try connection.query("INSERT INTO tapline.passes DEFAULT VALUES RETURNING id").int(0, 0)
            _ = try insert(access, into: id)
            shared[access] = id
            passesMade += 1
            return id
        case .passes(let parts):
            if parts.count == 1, let part = parts.first, part.from == nil, part.until == nil,
                let pass = named[part.pass]
            {
                return pass.id
            }
            return try joined(parts)
        }
    }

    /// Returns a pass with the combined access of several passes, named after them.
    ///
    /// An existing pass of that name is used unchanged. `store` keeps joined passes up to date, so a pass with other
    /// access was changed on purpose.
    private func joined(_ parts: [RegistrationRow.AccessSet.Part]) throws -> Int64 {
        let name = parts.map(\.description).joined(separator: Self.joint)
        if named[name] == nil { try store(name, parts) }
        guard let pass = named[name] else { preconditionFailure("the pass was stored") }
        if !isJoined(pass, parts) {
            Log("registry").info("joined pass differs from its parts, used unchanged", [.name: name])
        }
        return pass.id
    }

    /// Refuses the zones that were created, because their names may be typing errors. The caller's transaction undoes
    /// them.
    ///
    /// A registry without zones takes all zones of a first list (`similarZones`).
    ///
    /// - Throws: `RegistryError.zonesMissing`.
    func requireKnownZones() throws {
        guard !knownZones.isEmpty, !zonesMade.isEmpty else { return }
        throw RegistryError.zonesMissing(
            zonesMade.map { RegistryError.UnknownName($0, near: NearestName.matches($0, in: knownZones)) })
    }

    /// The zones of a first list that look like another one of it. An export has them where they are intended.
    var similarZones: [String] {
        guard knownZones.isEmpty else { return [] }
        return zonesMade.filter { name in zonesMade.contains { NearestName.isMisspelling(name, of: $0) } }.sorted()
    }

    private func zone(_ name: String) throws -> Int64 {
        if let id = zones[name] { return id }
        try RegistryName.check("zone", name, isListed: true)
        let id = try connection.query("INSERT INTO tapline.zones (name) VALUES ($1) RETURNING id", [.text(name)])
            .int(0, 0)
        zones[name] = id
        zonesMade.append(name)
        return id
    }
}
