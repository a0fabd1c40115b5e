-- Sudden drops of the flow of a gate, and with them the parts `zones` and `gates` of the live state.

-- Of two whole intervals, the later one against the earlier one. They end with the last whole minute up to which the taps
-- of all lanes are counted. A lane whose last known tap is older than both intervals has added to neither, and is left
-- out. A lane that is out of order does not count as an explanation: its people do not pass.
CREATE VIEW tapline.gate_drops AS
WITH minute AS MATERIALIZED (
    SELECT date_trunc('minute', now()) AS last
), lanes AS (
    SELECT g.id AS gate_id, min(l.known_until) FILTER (WHERE l.known_until >= m.last - 2 * g.drop_interval) AS known_until,
        min(l.untracked_since) AS untracked_since, max(l.gap_until) AS gap_until, max(l.quarantined_at) AS quarantined_at,
        bool_or(l.does = 'free') AS free, bool_and(l.does = 'closed') FILTER (WHERE NOT l.silent) AS closed
    FROM tapline.gates g CROSS JOIN minute m JOIN tapline_internal.lanes l ON l.gate_id = g.id GROUP BY g.id
), ends AS MATERIALIZED (
    SELECT *, coalesce(known >= last - interval '2 minutes', false) AS is_known,
        CASE WHEN known >= last - interval '2 minutes' THEN known ELSE last END AS until
    FROM (
        SELECT g.*, m.last, l.gap_until, l.quarantined_at, coalesce(l.free, false) AS free, coalesce(l.closed, false) AS closed,
            CASE WHEN l.known_until IS NOT NULL
                THEN date_trunc('minute', least(now(), l.known_until, l.untracked_since)) END AS known
        FROM tapline.gates g CROSS JOIN minute m LEFT JOIN lanes l ON l.gate_id = g.id
    ) each
), flow AS (
    SELECT e.id, coalesce(sum(f.passed_in + f.passed_out) FILTER (WHERE f.slot < e.until - e.drop_interval), 0) AS before,
        coalesce(sum(f.passed_in + f.passed_out) FILTER (WHERE f.slot >= e.until - e.drop_interval), 0) AS now
    FROM ends e LEFT JOIN tapline_internal.gate_flow f ON f.gate_id = e.id AND f.slot >= e.until - 2 * e.drop_interval
        AND f.slot < e.until AND f.slot >= e.last - interval '122 minutes'
    GROUP BY e.id
), modes AS (
    SELECT e.id, bool_or(s.verdict = 130) AS closed, bool_or(s.verdict = 129) AS freed
    FROM ends e JOIN tapline_internal.lane_event_log s ON s.gate_id = e.id AND s.verdict IN (129, 130)
        AND s.received_at >= (SELECT min(until - 2 * drop_interval) FROM ends)
        AND tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) >= e.until - 2 * e.drop_interval
    GROUP BY e.id
)
SELECT e.id AS gate_id, e.name, f.before::bigint, f.now::bigint, e.drop_interval, e.drop_percent, e.drop_minimum,
    CASE WHEN f.before > 0 THEN floor((f.before - f.now) * 100 / f.before)::integer END AS percent,
    CASE WHEN e.drop_percent IS NULL OR e.closed THEN false
        WHEN NOT e.is_known OR e.free OR coalesce(m.freed, false) THEN NULL
        WHEN e.gap_until >= e.until - 2 * e.drop_interval OR e.quarantined_at >= e.until - 2 * e.drop_interval THEN NULL
        WHEN m.closed THEN false
        ELSE f.before >= e.drop_minimum AND (f.before - f.now) * 100 >= f.before * e.drop_percent END AS is_drop,
    e.until
FROM ends e JOIN flow f ON f.id = e.id LEFT JOIN modes m ON m.id = e.id
ORDER BY e.name;

-- The parts of the state as JSON without blanks, as contract.md describes GET /api/live. A row with a level is an alarm:
-- its id, and its arguments. plpgsql keeps the plans, which take as long as the queries.
CREATE FUNCTION tapline_internal.live_counts() RETURNS TABLE (part text, id text, level text, content text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY WITH z AS MATERIALIZED (
        SELECT * FROM tapline.wall_zones
    ), g AS MATERIALIZED (
        SELECT g.*, d.before, d.now, d.until, d.percent, extract(epoch FROM d.drop_interval)::integer AS interval_s, d.is_drop
        FROM tapline.wall_gates g JOIN tapline.gate_drops d USING (gate_id)
    )
    SELECT 'zones', NULL, NULL, format('{"as_of":"%s","rows":[%s]}', tapline_internal.utc_text(now()), (
        SELECT string_agg((SELECT row_to_json(r)::text FROM (SELECT zone_id AS id, name, depth, inside, inside_total,
            capacity, z.percent, busy_percent AS busy_at, full_percent AS full_at, z.level, lanes, lanes_silent, lanes_late,
            unsent, missing, untracked, quarantined, tapline_internal.utc_text(heard_at) AS heard, net_hour,
            full_in_minutes AS full_in_min) r), ',' ORDER BY path)
        FROM z))
    UNION ALL SELECT 'gates', NULL, NULL, format('{"as_of":"%s","rows":[%s]}', tapline_internal.utc_text(now()), (
        SELECT string_agg((SELECT row_to_json(r)::text FROM (SELECT gate_id AS id, name, zone, from_zone,
            in_minute AS in_min, out_minute AS out_min, refused_minute AS refused_min, in_today AS in_day,
            out_today AS out_day, refused_today AS refused_day, lanes, lanes_open AS open, lanes_free AS free,
            lanes_closed AS closed, lanes_silent AS silent, tapline_internal.utc_text(last_at) AS last_tap,
            CASE WHEN is_drop THEN (SELECT row_to_json(d) FROM (SELECT before, now, g.percent, interval_s,
                tapline_internal.utc_text(until) AS until) d) END AS drop
            ) r), ',' ORDER BY name)
        FROM g))
    UNION ALL SELECT 'drops', NULL, NULL, (SELECT json_object_agg(gate_id, is_drop)::text FROM g)
    UNION ALL SELECT 'alarm', format('zone-%s:%s', z.level, zone_id), CASE z.level WHEN 'full' THEN 'alarm' ELSE 'warn' END,
        (SELECT row_to_json(r)::text FROM (SELECT name AS zone, z.percent, inside_total AS inside, capacity) r)
    FROM z WHERE z.level IN ('full', 'busy') AND (capacity > 0 OR inside_total > 0)
    UNION ALL SELECT 'alarm', format('gate-drop:%s', gate_id), 'alarm',
        (SELECT row_to_json(r)::text FROM (SELECT name AS gate, before, now, g.percent, interval_s) r)
    FROM g WHERE is_drop;
END $$;

COMMENT ON VIEW tapline.gate_drops IS 'Flow of each gate in two whole intervals (gates.drop_interval)';
COMMENT ON COLUMN tapline.gate_drops.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.gate_drops.name IS 'Name of the gate';
COMMENT ON COLUMN tapline.gate_drops.before IS 'People in both directions in the earlier interval';
COMMENT ON COLUMN tapline.gate_drops.now IS 'People in both directions in the later interval';
COMMENT ON COLUMN tapline.gate_drops.drop_interval IS 'Length of an interval';
COMMENT ON COLUMN tapline.gate_drops.drop_percent IS 'Decrease from which it is a sudden drop; null: never';
COMMENT ON COLUMN tapline.gate_drops.drop_minimum IS 'People needed in the earlier interval';
COMMENT ON COLUMN tapline.gate_drops.percent IS 'Decrease in per cent; null: no people before';
COMMENT ON COLUMN tapline.gate_drops.is_drop IS 'Whether it is a sudden drop; null: unknown, scans are missing';
COMMENT ON COLUMN tapline.gate_drops.until IS
    'End of the later interval: the last whole minute of which all taps are counted; where it is unknown, the last one';

INSERT INTO tapline_internal.objects_without_names VALUES ('gate_drops');

INSERT INTO tapline.schema_migrations (version, name) VALUES (30, 'sudden_drops');
