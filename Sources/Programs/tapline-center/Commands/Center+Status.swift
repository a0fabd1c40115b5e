import CLI
import Enrolment
import Glibc
import Postgres
import Registry
import Runtime

extension Center {
    static let status = [
        Command(
            "status", "show the event on one screen, with a verdict; exits with 1 if something is wrong",
            options: [
                databaseURL, .output,
                .toggle("all", "print all facts and whole alarms, one a line, in place of a screen"),
                .toggle("watch", "repeat the screen every 2 s, until Ctrl-C"),
            ] + EnrolmentOptions.managementOptions + [relayUser],
            details: """
                The screen has 80 columns and 24 rows, and times of the event's time zone. Its second line is the
                verdict. Each alarm is a line that begins with `alarm`: no center that runs, scanners that are silent
                or whose lane does not work, missing scans, quarantined batches, a snapshot that expired or is from
                the future, a list that cannot be published, clocks that differ and keep retention from dropping
                scans, a full quarantine, enabled scanners whose scans count nowhere, dead letters, presence and
                flow more than 5 s behind, no published snapshot although there are people or scanners. Lanes that were
                closed or opened by an operator, and zones that are full, are shown and are no alarm. The verdict OK
                names what is not known. With --rabbitmq-management-url, users of the broker that no scanner has are
                alarms too.
                """
        ) { arguments in
            let url = try database(arguments)
            let json = try arguments.outputFormat() == .json
            let (all, watches) = (arguments.has("all"), arguments.has("watch"))
            guard !watches || !json && !all else {
                throw ProgramError.configuration("--watch shows the screen: it excludes --all and --output json")
            }
            let management = try EnrolmentOptions.management(arguments)
            let relays = Set(arguments.all("relay-user"))
            return {
                guard !watches else { return try watch(url, management, relays) }
                let alarms = try withRegistry(url) { _, connection in
                    let facts = try EventFacts(connection, strangers: strangers(management, connection, relays))
                    switch (json, all) {
                    case (true, _): TextOutput.json(facts.json)
                    case (_, true): TextOutput.lines(facts.lines)
                    default: TextOutput.lines(try StatusScreen(facts, connection).lines)
                    }
                    return facts.alarms
                }
                if !alarms.isEmpty { throw ProgramError.alarms(alarms) }
            }
        }
    ]

    /// Interval between two screens, in milliseconds.
    private static let watchMs = 2_000

    /// Shows the screen until a signal. A lost connection is shown and opened again.
    private static func watch(_ url: String, _ management: BrokerManagement.Settings?, _ relays: Set<String>) throws {
        let stop = StopSignal()
        let signals = SignalWatch { _ in stop.stop() }
        defer { signals.end() }
        repeat {
            var lines: [String]
            do {
                lines = try withRegistry(url) { _, connection in
                    let facts = try EventFacts(connection, strangers: strangers(management, connection, relays))
                    return try StatusScreen(facts, connection).lines
                }
            } catch let error as ProgramError where error.code == .unreachable {
                lines = ["WRONG    \(error)"]
            }
            // Home and clear, so that a shorter screen leaves nothing of the last one.
            TextOutput.verbatim(isatty(1) == 1 ? "\u{1B}[H\u{1B}[2J" : "\n", terminator: "")
            TextOutput.lines(lines)
            fflush(nil)
        } while !stop.wait(ms: watchMs)
    }
}

/// The facts of the event and its alarms, as `status` shows them.
struct EventFacts {
    /// All of them as one JSON object.
    let json: String
    /// Name and value, in the order of the output. An unknown value is the empty text.
    let facts: [(name: String, value: String)]
    /// What is wrong, the worst first.
    let alarms: [String]

    /// - Parameter strangers: users of the broker that no scanner has.
    init(_ connection: PostgresConnection, strangers: [String]) throws {
        let row = try connection.query(EventFacts.overview, [.texts(strangers)])
        json = row.text(0, 0)
        facts = try Listing(
            connection, "SELECT key, value #>> '{}' AS value FROM json_each(($1)::text::json)", [.text(json)],
            json: false
        ).rows.filter { $0[0] != "alarms" }.map { ($0[0], $0[1]) }
        alarms = try Listing(
            connection, "SELECT json_array_elements_text(($1)::text::json -> 'alarms') AS alarm", [.text(json)],
            json: false
        ).rows.map { $0[0] }
    }

    /// A value by its name; the empty text if it is unknown.
    subscript(_ name: String) -> String { facts.first { $0.name == name }?.value ?? "" }

    /// All facts and alarms, one a line.
    var lines: [String] {
        let width = facts.map(\.name.count).max() ?? 0
        return (facts + alarms.map { ("alarm", $0) }).map { name, value in
            String(name.map { $0 == "_" ? " " : $0 }) + String(repeating: " ", count: width - name.count + 2) + value
        }
    }

    private static let overview = """
        WITH \(center), \(conditions)
        SELECT row_to_json(facts) FROM (
            SELECT (SELECT name FROM tapline.event) AS event,
                (SELECT id FROM tapline.event) AS event_id,
                (SELECT key_fingerprint FROM tapline.event_settings) AS event_key,
                (SELECT code_case FROM tapline.event_settings) AS code_case,
                (SELECT time_zone FROM tapline.event_settings) AS time_zone,
                tapline.day_start() AS day_start,
                (SELECT max(version) FROM tapline.schema_migrations) AS schema,
                (SELECT message FROM center) AS center,
                (SELECT count(*) FROM tapline.attendees) AS attendees,
                (SELECT count(*) FROM tapline.tags) AS tags,
                (SELECT count(*) FROM tapline.live_delegates WHERE zone_id IS NOT NULL) AS people_inside,
                (SELECT count(*) FROM tapline.scanner_overview WHERE enabled) AS scanners,
                (SELECT count(*) FROM tapline.scanner_overview WHERE enabled AND silent) AS scanners_silent,
                (SELECT string_agg(number || ' ' || condition, ', ' ORDER BY place) FROM conditions) AS conditions,
                (SELECT coalesce(sum(backlog), 0) FROM tapline.scanner_overview) AS backlog,
                (SELECT coalesce(sum(received), 0) FROM tapline.journals) AS received,
                (SELECT coalesce(sum(stored), 0) FROM tapline.journals) AS stored,
                (SELECT coalesce(sum(duplicates), 0) FROM tapline.journals) AS duplicates,
                (SELECT coalesce(sum(conflicts), 0) FROM tapline.journals) AS conflicts,
                journals_out_of_balance, scans_missing, quarantined_batches, heartbeats_refused,
                dead.messages AS dead_letters, dead.counted_at AS dead_letters_counted, tracking.lag_s AS tracking_lag_s,
                (SELECT coalesce(string_agg(queue || ' ' || warning, '; '), 'none') FROM tapline.broker_warnings)
                    AS broker_warnings,
                snapshot.version AS snapshot, snapshot.expires_at AS snapshot_expires,
                (SELECT nullif(max(version), snapshot.version) FROM tapline.snapshots) AS snapshot_only_written,
                (SELECT shards FROM tapline_internal.topology) AS shards,
                \(unknown) AS not_known,
                (SELECT coalesce(json_agg(text ORDER BY place), '[]') FROM (
                    SELECT 0 AS place, message AS text FROM center WHERE state <> 'running'
                    UNION ALL
                    SELECT place, condition || ': ' || number || CASE number WHEN 1 THEN ' scanner (' ELSE ' scanners (' END
                        || array_to_string(names[1:5], ', ') || CASE WHEN number > 5 THEN ', ...)' ELSE ')' END
                    FROM conditions WHERE condition NOT IN
                        ('ok', 'disabled', 'CLOSED', 'FREE', 'NO CENTER', 'AWAITED', 'UNREPORTED')
                    UNION ALL SELECT 100, dead.messages || CASE dead.messages WHEN 1 THEN ' message is' ELSE ' messages are' END
                        || ' in tapline.dead' || CASE WHEN dead.is_old
                            THEN ' as counted ' || tapline.age_text(now() - dead.counted_at) || ' ago' ELSE '' END
                        || ': see dead-letters list'
                    WHERE dead.messages > 0
                    UNION ALL SELECT 100, 'presence and flow are ' || floor(tracking.lag_s)
                        || ' s behind the stored scans: see the log of the center'
                    WHERE tracking.lag_s > 5
                    UNION ALL SELECT 101, journals_out_of_balance || ' journals are out of balance'
                    WHERE journals_out_of_balance > 0
                    UNION ALL SELECT 102, scans_missing || ' scans are missing: see tapline.seq_gaps'
                    WHERE scans_missing > 0
                    UNION ALL SELECT 103, quarantined_batches || ' batches are in quarantine: see quarantine list'
                    WHERE quarantined_batches > 0
                    UNION ALL SELECT 104, 'no snapshot was published: gates have no list'
                    WHERE snapshot.version IS NULL AND (EXISTS (SELECT FROM tapline.attendees)
                        OR EXISTS (SELECT FROM tapline.scanners WHERE enabled))
                    UNION ALL SELECT 104, 'the published snapshot ' || snapshot.version || ' has expired'
                    WHERE snapshot.expires_at < now()
                    UNION ALL SELECT 104, 'the published snapshot ' || snapshot.version
                        || ' was created in the future, and scanners refuse it: set the clocks'
                    WHERE snapshot.created_at > now() + interval '5 minutes'
                    UNION ALL SELECT 105, 'broker: ' || queue || ' ' || warning FROM tapline.broker_warnings
                    WHERE NOT (queue = 'tapline.dead' AND warning LIKE 'holds %' AND coalesce(dead.counted_at > checked_at, false))
                    UNION ALL SELECT 106, 'the broker was not checked for 2 hours: see the log of the center'
                    FROM tapline.center_state WHERE state = 'running' AND since < now() - interval '15 minutes'
                        AND NOT EXISTS (SELECT FROM tapline_internal.broker_check
                            WHERE checked_at > now() - interval '2 hours')
                    UNION ALL SELECT 107, 'center ' || name || ' cannot publish the registration list: ' || snapshot_problem
                    FROM tapline_internal.centers
                    WHERE snapshot_problem IS NOT NULL AND NOT stopped
                        AND alive_at > now() - tapline_internal.center_gone_after()
                    UNION ALL SELECT 108, 'broker user ' || name || ': no scanner has it' FROM unnest($1) AS name
                    UNION ALL SELECT 109, 'retention drops nothing: ' || detail FROM tapline_internal.retention_alarm
                    UNION ALL \(fullQuarantines)
                    UNION ALL \(openVoidSpans)
                ) alarms) AS alarms
            FROM (SELECT count(*) FILTER (WHERE NOT balanced) AS journals_out_of_balance FROM tapline.ingest_balance) balance
            CROSS JOIN (SELECT coalesce(sum(missing), 0) AS scans_missing FROM tapline.seq_gaps) gaps
            CROSS JOIN (SELECT count(*) FILTER (WHERE NOT is_heartbeat) AS quarantined_batches,
                coalesce(sum(times) FILTER (WHERE is_heartbeat), 0) AS heartbeats_refused
                FROM tapline.quarantine) quarantine
            CROSS JOIN (SELECT extract(epoch FROM clock_timestamp() - min(stored_at))::double precision AS lag_s
                FROM tapline_internal.tracking_queue) tracking
            LEFT JOIN (SELECT dead_letters AS messages, dead_letters_at AS counted_at,
                    dead_letters_at < now() - tapline_internal.center_gone_after() AS is_old
                FROM tapline_internal.centers WHERE dead_letters_at IS NOT NULL ORDER BY dead_letters_at DESC LIMIT 1) dead ON true
            LEFT JOIN tapline.snapshots snapshot ON snapshot.version = tapline_internal.published_version()
        ) facts
        """

    /// What the verdict says nothing of. A fresh event without people and scanners needs no snapshot yet.
    private static let unknown = """
        nullif(concat_ws(', ', CASE WHEN coalesce(dead.is_old, true) THEN 'dead letters' END,
            CASE WHEN NOT EXISTS (SELECT FROM tapline_internal.broker_check) THEN 'policies of the broker' END,
            CASE WHEN snapshot.version IS NULL THEN 'the list of the gates' END), '')
        """

    /// Owners of quarantined batches of which bodies or rows were dropped, until their older batches are removed.
    private static let fullQuarantines = """
        SELECT 110, 'the quarantine of ' || CASE owner WHEN '' THEN 'deliveries without a user' ELSE owner END
            || ' is full: ' || dropped_bodies || ' bodies and ' || dropped_batches
            || ' batches were dropped, which may hold scans: see tapline.quarantine_usage'
        FROM tapline.quarantine_usage usage
        WHERE dropped_at IS NOT NULL
            AND dropped_at >= (SELECT min(received_at) FROM tapline.quarantine q WHERE q.owner = usage.owner)
        """

    /// Enabled scanners of which scans that arrive now are void.
    private static let openVoidSpans = """
        SELECT 111, 'scanner ' || v.scanner_id || ' is enabled, but scans that arrive from '
            || to_char(v.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            || ' on count nowhere: end it with `tapline-center scanner void-scans ' || v.scanner_id
            || ' --undo --since TIME`, or remove the scanner'
        FROM tapline_internal.void_spans v JOIN tapline.scanners s ON s.id = v.scanner_id
        WHERE s.enabled AND v.until > now()
        """

    /// The state of the center. Its message ends with a local time; the offset from UTC is added.
    private static let center = """
        center AS (
            SELECT state, message || coalesce(CASE WHEN seconds < 0 THEN '-' ELSE '+' END
                || to_char(make_interval(secs => abs(seconds)), 'HH24:MI'), '') AS message
            FROM (SELECT state, message, extract(epoch FROM (since AT TIME ZONE time_zone) - (since AT TIME ZONE 'UTC'))
                    ::double precision AS seconds
                FROM tapline.center_state, tapline.event_settings) state)
        """

    /// The scanners by their condition.
    private static let conditions = """
        conditions AS MATERIALIZED (
            SELECT condition, count(*) AS number, array_agg(scanner_id ORDER BY scanner_id) AS names,
                tapline.condition_place(condition) AS place
            FROM tapline.scanner_health GROUP BY condition)
        """
}
