import CLI
import Postgres
import Runtime
package import ScanModel

extension RegistryStore {
    // MARK: Event

    /// Sets what is given; the name is needed the first time. Time zones are PostgreSQL's (`Asia/Dubai`), the day's start a
    /// time of day (`06:00`) in it.
    package func setEvent(name: String?, timeZone: String?, dayStart: String?) throws {
        try change {
            if let dayStart { try requireTime(dayStart) }
            let parameters = [PostgresParameter.optional(name), .optional(timeZone), .optional(dayStart)]
            let updated = try connection.query(
                """
                UPDATE tapline.event SET name = coalesce($1::text, name), time_zone = coalesce($2::text, time_zone),
                    day_start = coalesce($3::text::time, day_start)
                """, parameters)
            if updated.affectedRows == 1 { return }
            guard name != nil else { throw ProgramError.configuration("--name is needed: the event has none yet") }
            try connection.query(
                """
                INSERT INTO tapline.event (name, time_zone, day_start)
                SELECT $1::text, coalesce($2::text, time_zone), coalesce($3::text::time, day_start)
                FROM tapline.event_settings
                """, parameters)
        }
    }

    private func requireTime(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (2...3).contains(parts.count), let hour = parts[0], (0...23).contains(hour),
            parts.dropFirst().allSatisfy({ $0.map { (0...59).contains($0) } ?? false })
        else { throw ProgramError.failed("'\(text)' is not a time of day (06:00)") }
    }

    // MARK: Zones

    /// - Parameters:
    ///   - parent: the zone that it lies in.
    ///   - capacity: people.
    package func addZone(_ name: String, parent: String?, capacity: Int?) throws {
        try change {
            _ = try connection.query(
                "INSERT INTO tapline.zones (name, parent_id, capacity) VALUES ($1, $2, $3)",
                [.text(name), .optional(try parent.map(zoneID)), .optional(capacity.map(Int64.init))])
        }
    }

    package func setZone(
        _ name: String, newName: String?, parent: Change<String>, capacity: Change<Int>
    ) throws {
        try change {
            let id = PostgresParameter.int64(try zoneID(name))
            if let newName {
                try connection.query("UPDATE tapline.zones SET name = $2 WHERE id = $1", [id, .text(newName)])
            }
            switch parent {
            case .keep: break
            case .clear: try connection.query("UPDATE tapline.zones SET parent_id = NULL WHERE id = $1", [id])
            case .set(let parent):
                try connection.query(
                    "UPDATE tapline.zones SET parent_id = $2 WHERE id = $1", [id, .int64(try zoneID(parent))])
            }
            switch capacity {
            case .keep: break
            case .clear: try connection.query("UPDATE tapline.zones SET capacity = NULL WHERE id = $1", [id])
            case .set(let people):
                try connection.query(
                    "UPDATE tapline.zones SET capacity = $2 WHERE id = $1", [id, .int64(Int64(people))])
            }
        }
    }

    // MARK: Gates

    /// - Parameters:
    ///   - zone: where in leads to.
    ///   - fromZone: where out leads to; nil: off site.
    ///   - policy: JSON, as SPEC.md section 6 has it.
    package func addGate(_ name: String, zone: String, fromZone: String?, policy: String?) throws {
        try change {
            try requireJSON(policy)
            _ = try connection.query(
                "INSERT INTO tapline.gates (name, zone_id, from_zone_id, policy) VALUES ($1, $2, $3, $4::text::jsonb)",
                [
                    .text(name), .int64(try zoneID(zone)), .optional(try fromZone.map(zoneID)), .text(policy ?? "{}"),
                ])
        }
    }

    package func setGate(
        _ name: String, newName: String?, zone: String?, fromZone: Change<String>, policy: String?
    ) throws {
        try change {
            try requireJSON(policy)
            let id = PostgresParameter.int64(try gateID(name))
            // Both at once: the rule that they differ must not see one without the other.
            let clears = if case .clear = fromZone { true } else { false }
            let from: String? = if case .set(let zone) = fromZone { zone } else { nil }
            try connection.query(
                """
                UPDATE tapline.gates SET zone_id = coalesce($2, zone_id),
                    from_zone_id = CASE WHEN $4 THEN NULL ELSE coalesce($3, from_zone_id) END
                WHERE id = $1
                """, [id, .optional(try zone.map(zoneID)), .optional(try from.map(zoneID)), .bool(clears)])
            if let policy {
                try connection.query(
                    "UPDATE tapline.gates SET policy = $2::text::jsonb WHERE id = $1", [id, .text(policy)])
            }
            if let newName {
                try connection.query("UPDATE tapline.gates SET name = $2 WHERE id = $1", [id, .text(newName)])
            }
        }
    }

    private func requireJSON(_ policy: String?) throws {
        guard let policy else { return }
        do { try connection.query("SELECT $1::text::jsonb", [.text(policy)]) } catch {
            guard error.isDataError else { throw error }
            throw ProgramError.failed("the policy is not valid: \(Self.policyHelp)")
        }
    }

    // MARK: Scanners

    /// Enrols a scanner, or enables it again, at a gate that is made if it is missing, leading into a zone that is made if it
    /// is missing. Without a gate the scanner keeps the one it has.
    /// - Returns: quarantined batches that waited for just this, and can now be replayed.
    package func addScanner(_ id: ScannerID, gate: String?, zone: String?) throws -> Int {
        try change {
            var gateID: Int64?
            if let gate {
                gateID = try gateMadeIfMissing(gate, zone)
            } else if zone != nil {
                throw ProgramError.usage("--zone says where --gate leads: give both")
            }
            try connection.query(
                """
                INSERT INTO tapline.scanners (id, gate_id) VALUES ($1, $2)
                ON CONFLICT (id) DO UPDATE
                SET gate_id = coalesce(excluded.gate_id, scanners.gate_id), enabled = true
                """, [.text(id.text), .optional(gateID)])
            return Int(
                try connection.query(
                    """
                    SELECT count(*) FROM tapline.quarantine
                    WHERE scanner_id = $1 AND reason IN ('unknown-scanner', 'disabled-scanner')
                    """, [.text(id.text)]
                ).int(0, 0))
        }
    }

    private func gateMadeIfMissing(_ name: String, _ zone: String?) throws -> Int64 {
        let found = try connection.query(
            "SELECT g.id, z.name FROM tapline.gates g JOIN tapline.zones z ON z.id = g.zone_id WHERE g.name = $1",
            [.text(name)])
        if found.rowCount == 1 {
            guard zone == nil || zone == found.text(0, 1) else {
                throw ProgramError.failed(
                    "gate '\(name)' leads into zone '\(found.text(0, 1))', not '\(zone ?? "")' (tapline-center gate set)"
                )
            }
            return found.int(0, 0)
        }
        guard let zone else {
            throw ProgramError.failed("there is no gate '\(name)'; with --zone NAME it would be made")
        }
        let made = try connection.query(
            "INSERT INTO tapline.gates (name, zone_id) VALUES ($1, $2) RETURNING id",
            [.text(name), .int64(try zoneMadeIfMissing(zone))])
        log.info("gate made", [.name: name])
        return made.int(0, 0)
    }

    package enum Removed: Sendable { case deleted, disabled }

    /// A scanner that has journals is disabled, so that its scans keep their owner; any other is deleted.
    package func removeScanner(_ id: ScannerID) throws -> Removed {
        try change {
            let found = try connection.query(
                "SELECT EXISTS (SELECT FROM tapline.journals WHERE scanner_id = $1) FROM tapline.scanners WHERE id = $1 FOR UPDATE",
                [.text(id.text)])
            guard found.rowCount == 1 else { throw ProgramError.failed("there is no scanner '\(id)'") }
            if found.bool(0, 0) {
                try connection.query("UPDATE tapline.scanners SET enabled = false WHERE id = $1", [.text(id.text)])
                return .disabled
            }
            try connection.query("DELETE FROM tapline.scanners WHERE id = $1", [.text(id.text)])
            return .deleted
        }
    }
}
