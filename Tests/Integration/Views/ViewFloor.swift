import Postgres
import TestSupport

/// A database whose event day began six hours before the test. Site(1) holds hall(2), which holds room(3); annex(4) stands
/// apart. Gates 11 to 14 lead into them, with the scanners s1 to s4.
struct ViewFloor {
    let database: TestDatabase
    let connection: PostgresConnection

    init() throws {
        database = try TestDatabase.migrated()
        connection = try database.connect()
        try connection.execute(
            """
            INSERT INTO tapline.event (name, time_zone, day_start)
                VALUES ('E', 'Etc/UTC', ((now() - interval '6 hours') AT TIME ZONE 'UTC')::time);
            INSERT INTO tapline.zones (id, name, parent_id, capacity)
                VALUES (1, 'site', NULL, 1000), (2, 'hall', 1, 100), (3, 'room', 2, 10), (4, 'annex', NULL, NULL);
            INSERT INTO tapline.gates (id, name, zone_id, from_zone_id)
                VALUES (11, 'main', 1, NULL), (12, 'hall door', 2, 1), (13, 'room door', 3, 2), (14, 'side', 4, NULL);
            INSERT INTO tapline.scanners (id, gate_id) VALUES ('s1', 11), ('s2', 12), ('s3', 13), ('s4', 14);
            """)
    }
}

extension PostgresConnection {
    /// The rows of a query: columns joined by `|`, null as `-`.
    func rows(_ sql: String) throws -> [String] {
        let result = try execute(sql)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalText(row, $0) ?? "-" }.joined(separator: "|")
        }
    }
}
