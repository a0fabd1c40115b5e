-- The other parts of the live state, and the comments of the live display.

CREATE FUNCTION tapline_internal.live_flow() RETURNS TABLE (part text, id text, level text, content text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    rows_limit constant integer := 20;
    latest_limit constant integer := 5;
    as_of constant text := tapline_internal.utc_text(now());
    today constant date := (SELECT tapline_internal.event_day(now(), e.time_zone, e.day_start) FROM tapline.event_settings e);
BEGIN
    RETURN QUERY SELECT 'sparks', NULL, NULL, format('{"as_of":"%s","step_s":60,"rows":{%s}}', as_of, (
        SELECT string_agg(format('"%s":[%s]', s.gate_id, s.counts), ',' ORDER BY s.gate_id) FROM (
            SELECT g.id AS gate_id, string_agg(coalesce(f.passed_in + f.passed_out, 0)::text, ',' ORDER BY m.minute) AS counts
            FROM tapline.gates g CROSS JOIN generate_series(date_trunc('minute', now()) - interval '60 minutes',
                date_trunc('minute', now()) - interval '1 minute', interval '1 minute') AS m(minute)
            LEFT JOIN tapline.gate_minutes f ON f.gate_id = g.id AND f.minute = m.minute GROUP BY g.id) s));

    RETURN QUERY WITH sums AS MATERIALIZED (
        SELECT grouping(a.category) AS by_pass, grouping(a.pass_id) AS by_category, a.category, p.name,
            count(*) FILTER (WHERE has_arrived) AS arrived, count(*) FILTER (WHERE is_expected) AS expected
        FROM tapline_internal.arrivals a LEFT JOIN tapline.passes p ON p.id = a.pass_id
        GROUP BY GROUPING SETS ((a.category), (a.pass_id, p.name), ()) HAVING bool_or(has_arrived OR is_expected)
    ), curve AS MATERIALIZED (
        SELECT * FROM tapline.arrival_curve(today)
    ), peak AS (
        SELECT tapline_internal.utc_text(slot) AS at, entries * 4 AS per_hour FROM curve WHERE entries > 0
        ORDER BY entries DESC, slot LIMIT 1
    )
    SELECT 'arrivals', NULL, NULL, (SELECT row_to_json(r)::text FROM (SELECT as_of, coalesce(t.arrived, 0) AS arrived,
        coalesce(t.expected, 0) AS expected,
        (SELECT coalesce(array_to_json(array_agg(x)), '[]') FROM (SELECT category AS name, s.arrived, s.expected FROM sums s
            WHERE by_pass = 0 ORDER BY s.expected DESC, s.arrived DESC, category LIMIT rows_limit) x) AS by_category,
        (SELECT coalesce(array_to_json(array_agg(x)), '[]') FROM (SELECT s.name, s.arrived, s.expected FROM sums s
            WHERE by_category = 0 ORDER BY s.expected DESC, s.arrived DESC, s.name LIMIT rows_limit) x) AS by_pass,
        900 AS step_s, array_to_json(ARRAY(SELECT entries FROM curve ORDER BY slot)) AS today,
        array_to_json(ARRAY(SELECT entries FROM tapline.arrival_curve(today - 1) ORDER BY slot)) AS yesterday,
        (SELECT row_to_json(peak) FROM peak) AS peak) r)
    FROM (SELECT 1) one LEFT JOIN sums t ON t.by_pass = 1 AND t.by_category = 1;

    RETURN QUERY SELECT 'refused', NULL, NULL, format('{"as_of":"%s","rows":[%s]}', as_of, (
        SELECT string_agg(row_to_json(r)::text, ',') FROM (SELECT verdict, reason, refused_today AS day,
            refused_hour AS hour FROM tapline.refusals_by_reason) r));

    RETURN QUERY WITH doubles AS MATERIALIZED (
        SELECT * FROM tapline.double_admissions WHERE second_at >= (SELECT tapline.day_start())
    ), counts AS (
        SELECT count(*) FILTER (WHERE settled) AS settled, count(*) FILTER (WHERE NOT settled) AS unsettled FROM doubles
    )
    SELECT 'doubles', NULL, NULL, (SELECT row_to_json(r)::text FROM (SELECT as_of, c.settled, c.unsettled,
        (SELECT coalesce(array_to_json(array_agg(x)), '[]') FROM (SELECT tapline_internal.utc_text(second_at) AS at, zone, first_gate,
            second_gate FROM doubles ORDER BY second_at DESC LIMIT latest_limit) x) AS latest) r) FROM counts c
    UNION ALL SELECT 'alarm', 'doubles', 'warn', format('{"n":%s}', c.settled) FROM counts c WHERE c.settled > 0;
END $$;

CREATE FUNCTION tapline_internal.live_ingest() RETURNS TABLE (part text, id text, level text, content text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    lag_ms constant bigint := coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - min(stored_at)) * 1000, 0)
        FROM tapline_internal.tracking_queue), 0);
    owners constant text[] := ARRAY(SELECT owner FROM tapline_internal.quarantine_shares
        WHERE dropped_at > now() - interval '1 hour' ORDER BY dropped_at DESC);
    quarantined constant bigint := (SELECT coalesce(sum(batches), 0) FROM tapline_internal.quarantine_shares);
    gaps constant bigint := (SELECT least(coalesce(sum(missing), 0), 9007199254740991) FROM tapline.seq_gaps);
    problem constant text := (SELECT snapshot_problem FROM tapline_internal.centers
        WHERE NOT stopped AND snapshot_problem IS NOT NULL ORDER BY alive_at DESC LIMIT 1);
    snapshot record;
BEGIN
    SELECT version, floor(extract(epoch FROM now() - created_at))::bigint AS age_s,
        ceil(extract(epoch FROM expires_at - now()))::bigint AS expires_s
    INTO snapshot FROM tapline.snapshots WHERE version = tapline_internal.published_version();
    RETURN QUERY SELECT 'event', NULL, NULL, (SELECT row_to_json(r)::text FROM (SELECT e.name, e.time_zone,
            extract(epoch FROM now() AT TIME ZONE e.time_zone - now() AT TIME ZONE 'UTC')::integer AS utc_offset_s,
            tapline_internal.event_day(now(), e.time_zone, e.day_start) AS day,
            tapline_internal.utc_text(tapline.day_start()) AS day_start,
            tapline_internal.utc_text(tapline.day_end(now())) AS day_end) r) FROM tapline.event_settings e
    UNION ALL SELECT 'centers', NULL, NULL, (SELECT row_to_json(r)::text FROM (SELECT s.state, s.centers AS running) r)
        FROM tapline.center_state s
    UNION ALL SELECT 'stored', NULL, NULL, coalesce(sum(stored), 0)::text FROM tapline.journals
    UNION ALL SELECT 'ingest', NULL, NULL, (SELECT row_to_json(r)::text FROM (
        SELECT tapline_internal.utc_text(now()) AS as_of, quarantined AS quarantine_batches,
        cardinality(owners) AS quarantine_full_owners, cardinality(owners) > 0 AS quarantine_full,
        gaps, lag_ms AS tracking_lag_ms, (SELECT row_to_json(n) FROM (
            SELECT snapshot.version, snapshot.age_s, snapshot.expires_s,
                CASE WHEN problem IS NOT NULL THEN 'the list cannot be published' END AS problem) n) AS snapshot) r)
    UNION ALL SELECT 'alarm', a.id, a.level, a.content FROM (VALUES
        ('no-center', 'alarm', '{}', (SELECT state <> 'running' FROM tapline.center_state)),
        ('quarantine-full', 'alarm', format('{"owner":%s}', to_json(owners[1])), cardinality(owners) > 0),
        ('quarantine', 'warn', format('{"n":%s}', quarantined), quarantined > 0),
        ('gaps', 'warn', format('{"n":%s}', gaps), gaps > 0),
        ('tracking-late', 'warn', format('{"lag_ms":%s}', lag_ms), lag_ms > 5000),
        ('snapshot-failing', 'alarm', '{"problem":"the list cannot be published"}', problem IS NOT NULL),
        ('snapshot-none', CASE WHEN EXISTS (SELECT FROM tapline.attendees) OR EXISTS (SELECT FROM tapline.scanners WHERE enabled)
            THEN 'alarm' ELSE 'warn' END, '{}', snapshot.version IS NULL),
        ('snapshot-expired', 'alarm', '{}', snapshot.expires_s <= 0),
        ('snapshot-old', 'warn', format('{"age_s":%s}', snapshot.age_s), snapshot.expires_s BETWEEN 1 AND 21600)
    ) AS a(id, level, content, is_on) WHERE a.is_on;
END $$;

COMMENT ON VIEW tapline.wall_zones IS 'People against capacity; outer zones first';
COMMENT ON COLUMN tapline.wall_zones.zone_id IS 'Zone';
COMMENT ON COLUMN tapline.wall_zones.name IS 'Name';
COMMENT ON COLUMN tapline.wall_zones.parent_id IS 'Zone that contains it';
COMMENT ON COLUMN tapline.wall_zones.depth IS '0 at the top level';
COMMENT ON COLUMN tapline.wall_zones.path IS 'Names from the outermost zone';
COMMENT ON COLUMN tapline.wall_zones.inside IS 'People in this zone and in no zone within';
COMMENT ON COLUMN tapline.wall_zones.inside_total IS 'People in this zone and all within';
COMMENT ON COLUMN tapline.wall_zones.capacity IS 'Maximum of inside_total; null: none';
COMMENT ON COLUMN tapline.wall_zones.percent IS 'inside_total of capacity, rounded down';
COMMENT ON COLUMN tapline.wall_zones.busy_percent IS 'Threshold';
COMMENT ON COLUMN tapline.wall_zones.full_percent IS 'Threshold';
COMMENT ON COLUMN tapline.wall_zones.level IS 'go, busy, full or uncapped';
COMMENT ON COLUMN tapline.wall_zones.lanes IS 'As in live_zones';
COMMENT ON COLUMN tapline.wall_zones.lanes_silent IS 'Of these, silent ones';
COMMENT ON COLUMN tapline.wall_zones.unsent IS 'Scans they had not sent; null: no lane';
COMMENT ON COLUMN tapline.wall_zones.heard_at IS 'As live_zones.as_of';
COMMENT ON COLUMN tapline.wall_zones.net_hour IS 'People an hour, in less out, of the last 15 full minutes';
COMMENT ON COLUMN tapline.wall_zones.full_in_minutes IS 'Until full at this rate; null: never';
COMMENT ON VIEW tapline.wall_gates IS 'Flow and lanes of each gate; times are those of the taps';
COMMENT ON COLUMN tapline.wall_gates.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.wall_gates.name IS 'Name';
COMMENT ON COLUMN tapline.wall_gates.zone IS 'Zone of "in"';
COMMENT ON COLUMN tapline.wall_gates.from_zone IS 'Zone of "out"; null: off site';
COMMENT ON COLUMN tapline.wall_gates.in_minute IS 'People in the last minute';
COMMENT ON COLUMN tapline.wall_gates.out_minute IS 'People in the last minute';
COMMENT ON COLUMN tapline.wall_gates.refused_minute IS 'Refused taps in the last minute';
COMMENT ON COLUMN tapline.wall_gates.in_today IS 'People since the day start';
COMMENT ON COLUMN tapline.wall_gates.out_today IS 'People since the day start';
COMMENT ON COLUMN tapline.wall_gates.refused_today IS 'Refused taps since the day start';
COMMENT ON COLUMN tapline.wall_gates.lanes IS 'Enabled scanners';
COMMENT ON COLUMN tapline.wall_gates.lanes_open IS 'Of these, in normal use; null: unknown';

INSERT INTO tapline.schema_migrations (version, name) VALUES (29, 'wall_comments');
