import Postgres

extension RegistryStore {
    // MARK: Zones

    /// Adds a zone.
    ///
    /// - Parameters:
    ///   - parent: the zone that contains it; `nil`: none.
    ///   - capacity: maximum number of people, for reports; `nil`: no limit.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func addZone(_ name: String, parent: String?, capacity: Int?) throws {
        try change {
            try RegistryName.check("zone", name, isListed: true)
            try requireDistinguishable(.zone, name)
            _ = try connection.query(
                "INSERT INTO tapline.zones (name, parent_id, capacity) VALUES ($1, $2, $3)",
                [.text(name), .optional(try parent.map(zoneID)), .optional(capacity.map(Int64.init))])
        }
    }

    /// Changes a zone.
    ///
    /// Presence stays: a person inside the zone is still inside it. Counts with nested zones use the new parent
    /// immediately. Gates apply the new name and parent with their next snapshot.
    ///
    /// - Parameters:
    ///   - newName: `nil`: unchanged.
    ///   - parent: the zone that contains it.
    ///   - capacity: maximum number of people, for reports.
    ///   - busyPercent: percentage of the capacity from which the zone is busy; `nil`: unchanged.
    ///   - fullPercent: percentage of the capacity from which the zone is full; `nil`: unchanged.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func setZone(
        _ name: String, newName: String?, parent: Change<String>, capacity: Change<Int>, busyPercent: Int? = nil,
        fullPercent: Int? = nil
    ) throws {
        try change {
            let zone = try zoneID(name)
            let id = PostgresParameter.int64(zone)
            if let newName {
                try RegistryName.check("zone", newName, isListed: true)
                try requireDistinguishable(.zone, newName, for: zone)
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
            guard busyPercent != nil || fullPercent != nil else { return }
            // In one statement: a constraint compares the two.
            try connection.query(
                """
                UPDATE tapline.zones SET busy_percent = coalesce($2, busy_percent),
                    full_percent = coalesce($3, full_percent)
                WHERE id = $1
                """, [id, .optional(busyPercent.map(Int64.init)), .optional(fullPercent.map(Int64.init))])
        }
    }

    // MARK: Gates

    /// Adds a gate.
    ///
    /// - Parameters:
    ///   - zone: the zone that the direction `in` leads into.
    ///   - fromZone: the zone that the direction `out` leads into; `nil`: off site.
    ///   - policy: JSON (contract.md section 6); `nil`: the defaults.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func addGate(_ name: String, zone: String, fromZone: String?, policy: String?) throws {
        try change {
            try requireJSON(policy)
            try RegistryName.check("gate", name)
            try requireDistinguishable(.gate, name)
            _ = try connection.query(
                "INSERT INTO tapline.gates (name, zone_id, from_zone_id, policy) VALUES ($1, $2, $3, $4::text::jsonb)",
                [
                    .text(name), .int64(try zoneID(zone)), .optional(try fromZone.map(zoneID)), .text(policy ?? "{}"),
                ])
        }
    }

    /// Changes a gate.
    ///
    /// If a zone changes, presence is corrected in the same transaction: each tag whose last scan was at this gate is
    /// then in the new zone. Counts per gate stay, because they do not depend on the zones. The gate applies the change
    /// with its next snapshot.
    ///
    /// - Parameters:
    ///   - newName: `nil`: unchanged.
    ///   - zone: the zone that the direction `in` leads into; `nil`: unchanged.
    ///   - fromZone: the zone that the direction `out` leads into; cleared: off site.
    ///   - policy: JSON (contract.md section 6), which replaces the whole policy; `nil`: unchanged.
    /// - Throws: `RegistryError`, `PostgresError`.
    package func setGate(
        _ name: String, newName: String?, zone: String?, fromZone: Change<String>, policy: String?
    ) throws {
        try change {
            try requireJSON(policy)
            let gate = try gateID(name)
            let id = PostgresParameter.int64(gate)
            // In one statement: a constraint compares the two zones.
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
                try RegistryName.check("gate", newName)
                try requireDistinguishable(.gate, newName, for: gate)
                try connection.query("UPDATE tapline.gates SET name = $2 WHERE id = $1", [id, .text(newName)])
            }
        }
    }

    /// The alarm of a gate at a sudden drop of its flow.
    package struct DropAlarm: Sendable {
        /// Decrease in per cent from which it is on; cleared: never.
        package var percent = Change<Int>.keep
        /// Length of the two compared intervals, in minutes; `nil`: unchanged.
        package var minutes: Int?
        /// Minimum number of people in the earlier interval; `nil`: unchanged.
        package var minimum: Int?

        /// Changes nothing.
        package init() {}
    }

    /// Changes the alarm of a gate at a sudden drop of its flow.
    ///
    /// - Throws: `RegistryError`, `PostgresError`.
    package func setDropAlarm(_ name: String, _ alarm: DropAlarm) throws {
        try change {
            let id = PostgresParameter.int64(try gateID(name))
            switch alarm.percent {
            case .keep: break
            case .clear: try connection.query("UPDATE tapline.gates SET drop_percent = NULL WHERE id = $1", [id])
            case .set(let percent):
                try connection.query(
                    "UPDATE tapline.gates SET drop_percent = $2 WHERE id = $1", [id, .int64(Int64(percent))])
            }
            try connection.query(
                """
                UPDATE tapline.gates SET drop_minimum = coalesce($3, drop_minimum),
                    drop_interval = coalesce($2 * interval '1 minute', drop_interval)
                WHERE id = $1
                """, [id, .optional(alarm.minutes.map(Int64.init)), .optional(alarm.minimum.map(Int64.init))])
        }
    }

    private func requireJSON(_ policy: String?) throws {
        guard let policy else { return }
        do { try connection.query("SELECT $1::text::jsonb", [.text(policy)]) } catch {
            guard error.isDataError else { throw error }
            throw RegistryError.invalidPolicy
        }
    }
}
