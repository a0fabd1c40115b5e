import Postgres
import Runtime
package import ScanModel

extension RegistryStore {
    /// The result of enrolling a scanner.
    package struct Enrolled: Sendable, Equatable {
        /// Number of its batches that were quarantined because it was not enrolled or not enabled. They can now be
        /// replayed.
        package let waiting: Int
        /// Default gate after the change; `nil` without one.
        package let gate: String?
        /// What it was before; `nil` for a new scanner.
        package let former: Former?

        /// A scanner before it was enrolled again.
        package struct Former: Sendable, Equatable {
            /// Default gate; `nil` without one.
            package let gate: String?
            /// Whether its batches were accepted.
            package let isEnabled: Bool
        }
    }

    /// Enrols a scanner, or enables it again.
    ///
    /// - Parameters:
    ///   - gate: its default gate, which is created if missing; `nil`: unchanged.
    ///   - zone: the zone that the gate leads into, which is created if missing. Required for a new gate.
    ///   - allowsSimilar: whether a new gate or zone may have nearly the name of an existing one.
    /// - Returns: what was changed, and the number of batches that can be replayed.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func addScanner(
        _ id: ScannerID, gate: String?, zone: String?, allowsSimilar: Bool = false
    ) throws -> Enrolled {
        try addScanners([NewScanner(id: id, gate: gate, zone: zone)], allowsSimilar: allowsSimilar)[0]
    }

    /// A scanner to enrol.
    package struct NewScanner: Sendable {
        /// The identity.
        package let id: ScannerID
        let gate, zone: String?

        /// Creates the request for one scanner.
        ///
        /// - Parameters:
        ///   - id: the identity.
        ///   - gate: its default gate, which is created if missing; `nil`: unchanged.
        ///   - zone: the zone that the gate leads into, which is created if missing. Required for a new gate.
        package init(id: ScannerID, gate: String?, zone: String?) {
            self.id = id
            self.gate = gate
            self.zone = zone
        }
    }

    /// Enrols scanners, or enables them again: all or none.
    ///
    /// - Parameters:
    ///   - scanners: the scanners.
    ///   - allowsSimilar: whether a new gate or zone may have nearly the name of an existing one.
    /// - Returns: what was changed, for each scanner in order.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func addScanners(_ scanners: [NewScanner], allowsSimilar: Bool = false) throws -> [Enrolled] {
        try change { try scanners.map { try add($0, allowsSimilar) } }
    }

    private func add(_ new: NewScanner, _ allowsSimilar: Bool) throws -> Enrolled {
        let (id, gate, zone) = (new.id, new.gate, new.zone)
        let former = try scanner(id)
        var gateID: Int64?
        if let gate {
            gateID = try findOrAddGate(gate, zone, allowsSimilar)
        } else if zone != nil {
            throw RegistryError.zoneNeedsGate
        }
        try connection.query(
            """
            INSERT INTO tapline.scanners (id, gate_id) VALUES ($1, $2)
            ON CONFLICT (id) DO UPDATE
            SET gate_id = coalesce(excluded.gate_id, scanners.gate_id), enabled = true
            """, [.text(id.text), .optional(gateID)])
        // The next heartbeat is accepted and says more than those.
        try connection.query(
            """
            DELETE FROM tapline.quarantine WHERE scanner_id = $1 AND is_heartbeat
                AND reason IN ('unknown-scanner', 'disabled-scanner')
            """, [.text(id.text)])
        let waiting = try connection.query(
            """
            SELECT count(*) FROM tapline.quarantine
            WHERE scanner_id = $1 AND reason IN ('unknown-scanner', 'disabled-scanner')
            """, [.text(id.text)])
        return Enrolled(waiting: Int(waiting.int(0, 0)), gate: try scanner(id)?.gate, former: former)
    }

    private func scanner(_ id: ScannerID) throws -> Enrolled.Former? {
        let found = try connection.query(
            """
            SELECT g.name, s.enabled FROM tapline.scanners s LEFT JOIN tapline.gates g ON g.id = s.gate_id
            WHERE s.id = $1 FOR UPDATE OF s
            """, [.text(id.text)])
        return found.rowCount == 0 ? nil : .init(gate: found.optionalText(0, 0), isEnabled: found.bool(0, 1))
    }

    private func findOrAddGate(_ name: String, _ zone: String?, _ allowsSimilar: Bool) throws -> Int64 {
        let found = try connection.query(
            """
            SELECT g.id, z.name FROM tapline.gates g JOIN tapline.zones z ON z.id = g.zone_id
            WHERE g.name = normalize($1, NFC)
            """,
            [.text(name)])
        if found.rowCount == 1 {
            guard zone == nil || zone == found.text(0, 1) else {
                throw RegistryError.gateLeadsInto(zone: found.text(0, 1), gate: name, given: zone ?? "")
            }
            return found.int(0, 0)
        }
        if !allowsSimilar { try requireDistinct(.gate, name, from: try gateNames()) }
        guard let zone else { throw RegistryError.gateNeedsZone(name) }
        try RegistryName.check("gate", name)
        try requireDistinguishable(.gate, name)
        let made = try connection.query(
            "INSERT INTO tapline.gates (name, zone_id) VALUES ($1, $2) RETURNING id",
            [.text(name), .int64(try findOrAddZone(zone, allowsSimilar: allowsSimilar))])
        log.info("gate added", [.name: name])
        return made.int(0, 0)
    }

    /// Returns whether the batches of a scanner are accepted.
    ///
    /// - Throws: `RegistryError.scannerMissing`, `PostgresError`.
    package func isEnabled(_ id: ScannerID) throws -> Bool {
        let found = try connection.query("SELECT enabled FROM tapline.scanners WHERE id = $1", [.text(id.text)])
        guard found.rowCount == 1 else { throw RegistryError.scannerMissing(id) }
        return found.bool(0, 0)
    }

    /// The result of removing a scanner.
    package enum Removed: Sendable { case deleted, disabled }

    /// Removes a scanner.
    ///
    /// A scanner with journals is disabled, because its scans refer to it; its new batches are then quarantined. Any
    /// other scanner is deleted.
    ///
    /// - Throws: `RegistryError.scannerMissing`, `PostgresError`.
    package func removeScanner(_ id: ScannerID) throws -> Removed {
        try change {
            let found = try connection.query(
                """
                SELECT EXISTS (SELECT FROM tapline.journals WHERE scanner_id = $1)
                FROM tapline.scanners WHERE id = $1 FOR UPDATE
                """, [.text(id.text)])
            guard found.rowCount == 1 else { throw RegistryError.scannerMissing(id) }
            if found.bool(0, 0) {
                try connection.query("UPDATE tapline.scanners SET enabled = false WHERE id = $1", [.text(id.text)])
                return .disabled
            }
            try connection.query("DELETE FROM tapline.scanners WHERE id = $1", [.text(id.text)])
            return .deleted
        }
    }
}
