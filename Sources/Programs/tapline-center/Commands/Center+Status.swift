import CLI
import Postgres
import Registry

extension Center {
    static let status = [
        Command("status", "show an overview of the event", options: [databaseURL, .output]) { arguments in
            let url = try database(arguments)
            let json = try arguments.outputFormat() == .json
            return {
                try withRegistry(url) { _, connection in
                    let row = try connection.query(overview)
                    if json { return print(row.text(0, 0)) }
                    let facts = try Listing(
                        connection, "SELECT key, value #>> '{}' AS value FROM json_each(($1)::text::json)",
                        [.text(row.text(0, 0))], json: false)
                    let width = facts.rows.map { $0[0].count }.max() ?? 0
                    for fact in facts.rows {
                        let name = fact[0].map { $0 == "_" ? " " : $0 }
                        print(String(name) + String(repeating: " ", count: width - name.count + 2) + fact[1])
                    }
                }
            }
        }
    ]

    private static let overview = """
        SELECT row_to_json(facts) FROM (
            SELECT (SELECT name FROM tapline.event) AS event,
                (SELECT time_zone FROM tapline.event_settings) AS time_zone,
                tapline.day_start() AS day_start,
                (SELECT max(version) FROM tapline.schema_migrations) AS schema,
                (SELECT count(*) FROM tapline.attendees) AS attendees,
                (SELECT count(*) FROM tapline.tags) AS tags,
                (SELECT count(*) FROM tapline.live_delegates WHERE zone_id IS NOT NULL) AS people_inside,
                (SELECT count(*) FROM tapline.scanner_overview WHERE enabled) AS scanners,
                (SELECT count(*) FROM tapline.scanner_overview WHERE enabled AND silent) AS scanners_silent,
                (SELECT coalesce(sum(backlog), 0) FROM tapline.scanner_overview) AS backlog,
                (SELECT coalesce(sum(received), 0) FROM tapline.journals) AS received,
                (SELECT coalesce(sum(stored), 0) FROM tapline.journals) AS stored,
                (SELECT coalesce(sum(duplicates), 0) FROM tapline.journals) AS duplicates,
                (SELECT coalesce(sum(conflicts), 0) FROM tapline.journals) AS conflicts,
                (SELECT count(*) FROM tapline.ingest_balance WHERE NOT balanced) AS journals_out_of_balance,
                (SELECT coalesce(sum(missing), 0) FROM tapline.seq_gaps) AS scans_missing,
                (SELECT count(*) FROM tapline.quarantine) AS quarantined_batches,
                (SELECT coalesce(string_agg(queue || ' ' || warning, '; '), 'none') FROM tapline.broker_warnings)
                    AS broker_warnings,
                (SELECT max(version) FROM tapline.snapshots) AS snapshot,
                (SELECT expires_at FROM tapline.snapshots ORDER BY version DESC LIMIT 1) AS snapshot_expires,
                (SELECT shards FROM tapline_internal.topology) AS shards
        ) facts
        """
}
