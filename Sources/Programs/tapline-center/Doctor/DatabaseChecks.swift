import CLI
import FileSystem
import LinuxSystem
import Postgres
import Schema

/// Server, schema, rights, settings, clock, disk, centers, event and snapshot, as the database shows them.
struct DatabaseChecks {
    /// The oldest version of PostgreSQL that works, as `server_version_num`.
    private static let leastVersion: Int64 = 150_000
    /// Differences of clocks, in seconds: a sign of a fault, and a fault.
    private static let clockWarningS = 2.0
    private static let clockFaultS = 300.0
    /// Time before its end at which a snapshot is a warning, in seconds.
    private static let expiryWarningS = 6 * 3_600.0

    let connection: PostgresConnection

    func run() -> [DoctorCheck] {
        var checks = [attempt("database", "version() and pg_stat_activity", server)]
        checks.append(attempt("settings", "pg_settings", settings))
        checks.append(attempt("clock", "clock_timestamp() against the clock of this machine", clock))
        checks.append(attempt("database disk", "data_directory", disk))
        let schema = attempt("schema", "tapline.schema_migrations", schema)
        checks.append(schema)
        // Nothing else can be asked of another schema.
        guard schema.state == .good else {
            return checks
                + DatabaseChecks.skipped(of: DatabaseChecks.schemaNames, "the schema is not that of this release")
        }
        checks.append(attempt("rights", "tapline_internal.missing_grants", rights))
        checks.append(attempt("event", "tapline.event_settings", event))
        checks.append(attempt("center", "tapline.center_state", center))
        checks.append(attempt("snapshot", "tapline.snapshots", snapshot))
        checks.append(attempt("devices", "tapline.scanner_health", devices))
        return checks
    }

    private static let schemaNames = ["rights", "event", "center", "snapshot", "devices"]

    /// The checks that an unreachable database leaves out.
    static var unreachable: [DoctorCheck] {
        skipped(of: ["settings", "clock", "database disk", "schema"] + schemaNames, "the database cannot be reached")
    }

    private static func skipped(of names: [String], _ why: String) -> [DoctorCheck] {
        names.map { .skipped($0, "--database-url", why) }
    }

    /// Runs a check; an error is its result.
    private func attempt(_ name: String, _ looked: String, _ check: (String, String) throws -> DoctorCheck)
        -> DoctorCheck
    {
        do { return try check(name, looked) } catch {
            return .fault(name, looked, "\(Center.explained(error))", do: "correct this, then run doctor again")
        }
    }

    private func server(_ name: String, _ looked: String) throws -> DoctorCheck {
        let row = try connection.query(
            """
            SELECT current_setting('server_version'), current_setting('server_version_num')::bigint, current_user::text,
                (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                current_setting('max_connections')::bigint, pg_is_in_recovery()
            """)
        let (used, most) = (row.int(0, 3), row.int(0, 4))
        let found = "PostgreSQL \(row.text(0, 0)) as \(row.text(0, 2)), \(used) of \(most) connections"
        guard row.int(0, 1) >= DatabaseChecks.leastVersion else {
            return .fault(name, looked, found, do: "use PostgreSQL 15 or later")
        }
        guard !row.bool(0, 5) else {
            return .fault(name, looked, "\(found), a standby", do: "name the primary first in --database-url")
        }
        guard used * 5 < most * 4 else {
            return .warning(name, looked, found, do: "raise max_connections, or end programs that hold connections")
        }
        return .good(name, looked, found)
    }

    /// Settings without which a confirmed scan can be lost, or queries take minutes.
    private func settings(_ name: String, _ looked: String) throws -> DoctorCheck {
        let wanted = ["fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "jit": "off"]
        let rows = try connection.query(
            "SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name", [.texts(wanted.keys.sorted())])
        let values = (0..<rows.rowCount).map { (name: rows.text($0, 0), value: rows.text($0, 1)) }
        let found = values.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
        // `remote_apply` and others wait for more than `on`.
        let wrong = values.filter { $0.name == "synchronous_commit" ? $0.value == "off" : $0.value != wanted[$0.name] }
        guard !wrong.isEmpty else { return .good(name, looked, found) }
        let risky = wrong.map(\.name).filter { $0 != "jit" }
        guard !risky.isEmpty else {
            return .warning(
                name, looked, found, do: "ALTER DATABASE ... SET jit = off: it compiles short queries for minutes")
        }
        let remedy = risky.map { "ALTER SYSTEM SET \($0) = 'on'; " }.joined() + "SELECT pg_reload_conf();"
        return .fault(name, looked, "\(found): confirmed scans can be lost", do: remedy)
    }

    private func clock(_ name: String, _ looked: String) throws -> DoctorCheck {
        let before = SystemClock.nowMicroseconds()
        let row = try connection.query("SELECT extract(epoch FROM clock_timestamp())::double precision")
        let after = SystemClock.nowMicroseconds()
        let now = Double(before + (after - before) / 2) / 1e6
        let apart = (Double(row.text(0, 0)) ?? now) - now
        let found = "the database is \(Int((abs(apart) * 1_000).rounded())) ms \(apart < 0 ? "behind" : "ahead")"
        let remedy = "start a time service (chrony or systemd-timesyncd) on both machines"
        if abs(apart) > DatabaseChecks.clockFaultS { return .fault(name, looked, found, do: remedy) }
        if abs(apart) > DatabaseChecks.clockWarningS { return .warning(name, looked, found, do: remedy) }
        return .good(name, looked, found)
    }

    /// The folder can only be looked at on this machine, by a user who may see its name.
    private func disk(_ name: String, _ looked: String) throws -> DoctorCheck {
        let row = try connection.query(
            """
            SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END,
                inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr(),
                pg_size_pretty(pg_database_size(current_database()))
            """)
        let size = "the database has \(row.text(0, 2))"
        guard !row.isNull(0, 0), row.bool(0, 1) else {
            return .skipped(
                name, looked,
                "\(size); run df on the machine of the database, or grant pg_read_all_settings to the user of the center"
            )
        }
        return FileChecks.disk(name, row.text(0, 0), found: size)
    }

    private func schema(_ name: String, _ looked: String) throws -> DoctorCheck {
        do { try Migrator(connection).requireCurrent() } catch let error as SchemaError {
            return .fault(
                name, looked, "\(error)",
                do: "run `tapline-center migrate` of this release, or use the release that belongs to this schema")
        }
        let row = try connection.query("SELECT max(version) FROM tapline.schema_migrations")
        return .good(name, looked, "version \(row.text(0, 0)), of this release")
    }

    private func rights(_ name: String, _ looked: String) throws -> DoctorCheck {
        do { try RoleGrants(connection).require(.center) } catch let error as GrantsMissing {
            return .fault(
                name, looked, "\(error)",
                do:
                    "as the owner: GRANT \(error.role.rawValue) TO \"\(error.user)\"; and `tapline-center migrate` again"
            )
        }
        let row = try connection.query("SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user")
        guard !row.bool(0, 1) else {
            return .warning(
                name, looked, "\(row.text(0, 0)) is a superuser",
                do: "use a user with the role tapline_center only (docs/operating/database.md, roles)")
        }
        return .good(name, looked, "\(row.text(0, 0)) has the rights of tapline_center")
    }

    private func event(_ name: String, _ looked: String) throws -> DoctorCheck {
        let row = try connection.query("SELECT name, time_zone, day_start, key_fingerprint FROM tapline.event_settings")
        guard !row.isNull(0, 0) else {
            return .fault(name, looked, "the event has no name", do: "tapline-center event set --name NAME")
        }
        let found = "\(row.text(0, 0)), \(row.text(0, 1)), a day begins at \(row.text(0, 2).prefix(5))"
        guard !row.isNull(0, 3) else {
            return .warning(
                name, looked, "\(found); the key of the event is not known",
                do: "tapline-center event set --event-key-file FILE, so that a list with another key is refused")
        }
        return .good(name, looked, "\(found), key \(row.text(0, 3))")
    }

    private func center(_ name: String, _ looked: String) throws -> DoctorCheck {
        let row = try connection.query(
            """
            SELECT c.state, c.message, (SELECT max(checked_at) < now() - interval '2 hours' FROM tapline_internal.broker_check),
                (SELECT string_agg(queue || ' ' || warning, '; ') FROM tapline.broker_warnings)
            FROM tapline.center_state c
            """)
        guard row.text(0, 0) == "running" else {
            return .fault(
                name, looked, row.text(0, 1),
                do: "start `tapline-center run`; if it runs, look at /readyz on its machine and at its log")
        }
        if !row.isNull(0, 3) {
            return .fault(
                name, looked, "the last check of the broker found: \(row.text(0, 3))",
                do: "docs/operating/monitoring.md, broker policies")
        }
        guard !row.isNull(0, 2) else {
            return .warning(
                name, looked, "\(row.text(0, 1)), and has never checked the broker",
                do: "after a minute run doctor again; then look for `broker not checked` in its log")
        }
        if row.bool(0, 2) {
            return .warning(
                name, looked, "\(row.text(0, 1)), and has not checked the broker for 2 hours",
                do: "look for `broker not checked` in its log")
        }
        return .good(name, looked, row.text(0, 1))
    }

    private func snapshot(_ name: String, _ looked: String) throws -> DoctorCheck {
        let problem = try connection.query(
            """
            SELECT snapshot_problem FROM tapline_internal.centers WHERE snapshot_problem IS NOT NULL AND NOT stopped
                AND alive_at > now() - tapline_internal.center_gone_after() LIMIT 1
            """)
        if problem.rowCount > 0 {
            return .fault(
                name, looked, "the list cannot be published: \(problem.text(0, 0))",
                do: "remove the cause; the center then publishes by itself")
        }
        let row = try connection.query(
            """
            SELECT version, tapline.age_text(now() - created_at), extract(epoch FROM expires_at - now())::double precision,
                created_at > now() + interval '5 minutes', published_at IS NOT NULL
            FROM tapline.snapshots WHERE version = tapline_internal.published_version()
            """)
        guard row.rowCount > 0 else {
            return .fault(
                name, looked, "no snapshot was published: gates have no list",
                do: "tapline-center run --signing-key FILE --snapshots DIR, or tapline-snapshot export")
        }
        let leftS = Double(row.text(0, 2)) ?? 0
        let found =
            "version \(row.text(0, 0)), \(row.text(0, 1)) old, "
            + (leftS < 0 ? "expired" : "expires in \(Int(leftS / 3_600)) h")
        guard !row.bool(0, 3) else {
            return .fault(name, looked, "\(found), created in the future", do: "set the clocks, then export again")
        }
        if leftS < 0 { return .fault(name, looked, found, do: "publish a new one: tapline-snapshot export") }
        if leftS < DatabaseChecks.expiryWarningS {
            return .warning(name, looked, found, do: "publish a new one, or use run --snapshot-at")
        }
        guard row.bool(0, 4) else {
            return .warning(
                name, looked, "\(found), only written, not published",
                do: "export with --publish, or into the folder that the center serves")
        }
        return .good(name, looked, found)
    }

    private func devices(_ name: String, _ looked: String) throws -> DoctorCheck {
        let row = try connection.query(
            """
            SELECT count(*), count(*) FILTER (WHERE clock_wrong), string_agg(scanner_id, ', ' ORDER BY scanner_id)
                FILTER (WHERE clock_wrong), count(*) FILTER (WHERE condition IN ('DISK', 'READER', 'TURNSTILE', 'LANE DOWN')),
                count(*) FILTER (WHERE condition IN ('SILENT', 'NEVER HEARD', 'NO CENTER', 'AWAITED')),
                string_agg(scanner_id, ', ' ORDER BY scanner_id)
                    FILTER (WHERE condition IN ('SILENT', 'NEVER HEARD', 'NO CENTER', 'AWAITED'))
            FROM tapline.scanner_health WHERE enabled
            """)
        let found = "\(row.text(0, 0)) enabled scanners"
        if row.int(0, 1) > 0 {
            return .fault(
                name, looked, "\(found); the clocks of \(row.text(0, 1)) are wrong: \(row.text(0, 2).prefix(200))",
                do: "start a time service on these devices")
        }
        if row.int(0, 3) > 0 {
            return .warning(
                name, looked, "\(found); \(row.text(0, 3)) with a fault, the state of \(row.text(0, 4)) is not known",
                do: "tapline-center scanner list names them")
        }
        if row.int(0, 4) > 0 {
            return .warning(
                name, looked, "\(found); the state of \(row.text(0, 4)) is not known: \(row.text(0, 5).prefix(200))",
                do: "look at their power and network, and at the check center")
        }
        return .good(name, looked, row.int(0, 0) == 0 ? found : "\(found), no fault that they report")
    }
}
