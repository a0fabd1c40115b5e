-- Views of the live display: zones and gates. Then all parts of the state that is shown.

CREATE VIEW tapline.wall_zones AS
WITH tree AS MATERIALIZED (
    SELECT * FROM tapline_internal.zone_paths()
), within AS MATERIALIZED (
    SELECT unnest(ids) AS zone_id, zone_id AS inner_id FROM tree
), here AS MATERIALIZED (
    SELECT * FROM tapline_internal.people_by_zone
), total AS (
    SELECT w.zone_id, sum(h.people) AS people FROM within w JOIN here h ON h.zone_id = w.inner_id GROUP BY w.zone_id
), heard AS (
    -- As in live_zones: the lanes that the count of a zone depends on.
    SELECT zone_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent, sum(backlog) AS unsent,
        min(last_received_at) FILTER (WHERE NOT silent) AS heard_at
    FROM (
        SELECT DISTINCT w.zone_id, l.scanner_id, l.silent, l.backlog, l.last_received_at
        FROM tapline_internal.lanes l JOIN tapline.gates g ON g.id = l.gate_id
        JOIN within w ON w.inner_id IN (g.zone_id, g.from_zone_id)
    ) each GROUP BY zone_id
), net AS (
    -- A gate between two zones of the same outer one adds and subtracts there.
    SELECT w.zone_id, sum(f.people) AS people
    FROM (
        SELECT CASE side WHEN 1 THEN g.zone_id ELSE g.from_zone_id END AS zone_id,
            side * (f.passed_in - f.passed_out) AS people
        FROM tapline.gate_minutes f JOIN tapline.gates g ON g.id = f.gate_id CROSS JOIN (VALUES (1), (-1)) AS s(side)
        WHERE f.minute >= date_trunc('minute', now()) - interval '15 minutes'
    ) f JOIN within w ON w.inner_id = f.zone_id GROUP BY w.zone_id
), counted AS (
    SELECT z.*, tree.path, coalesce(here.people, 0)::bigint AS inside, coalesce(total.people, 0)::bigint AS inside_total,
        coalesce(heard.lanes, 0)::bigint AS lanes, coalesce(heard.silent, 0)::bigint AS lanes_silent,
        heard.unsent::bigint AS unsent, heard.heard_at, (coalesce(net.people, 0) * 4)::bigint AS net_hour
    FROM tapline.zones z
    JOIN tree ON tree.zone_id = z.id
    LEFT JOIN here ON here.zone_id = z.id
    LEFT JOIN total ON total.zone_id = z.id
    LEFT JOIN heard ON heard.zone_id = z.id
    LEFT JOIN net ON net.zone_id = z.id
)
SELECT id AS zone_id, name, parent_id, cardinality(path) - 1 AS depth, path, inside, inside_total, capacity,
    inside_total * 100 / nullif(capacity, 0) AS percent, busy_percent, full_percent,
    CASE WHEN capacity IS NULL THEN 'uncapped' WHEN inside_total * 100 >= capacity::bigint * full_percent THEN 'full'
        WHEN inside_total * 100 >= capacity::bigint * busy_percent THEN 'busy' ELSE 'go' END AS level,
    lanes, lanes_silent, unsent, heard_at, net_hour,
    CASE WHEN inside_total >= capacity THEN 0 WHEN net_hour > 0
        THEN ceil((capacity - inside_total) * 60.0 / net_hour)::bigint END AS full_in_minutes
FROM counted ORDER BY path;

-- A sudden drop of flow: of two whole intervals, the later one against the earlier one.
CREATE VIEW tapline.gate_drops AS
WITH flow AS (
    SELECT g.id, coalesce(sum(f.passed_in + f.passed_out) FILTER (WHERE f.slot < m.minute - g.drop_interval), 0) AS before,
        coalesce(sum(f.passed_in + f.passed_out) FILTER (WHERE f.slot >= m.minute - g.drop_interval), 0) AS now
    FROM tapline.gates g CROSS JOIN (SELECT date_trunc('minute', now()) AS minute) m
    LEFT JOIN tapline_internal.gate_flow f ON f.gate_id = g.id AND f.slot >= m.minute - 2 * g.drop_interval
        AND f.slot < m.minute AND f.slot >= m.minute - interval '2 hours'
    GROUP BY g.id
), lanes AS (
    SELECT gate_id, bool_and(does = 'open' AND backlog = 0) AS complete, bool_or(does = 'closed') AS closed
    FROM tapline_internal.lanes GROUP BY gate_id
)
SELECT g.id AS gate_id, g.name, f.before::bigint, f.now::bigint, g.drop_interval, g.drop_percent, g.drop_minimum,
    CASE WHEN f.before > 0 THEN floor((f.before - f.now) * 100 / f.before)::integer END AS percent,
    CASE WHEN l.complete THEN g.drop_percent IS NOT NULL AND f.before >= g.drop_minimum
        AND (f.before - f.now) * 100 >= f.before * g.drop_percent
        WHEN l.closed OR g.drop_percent IS NULL THEN false END AS is_drop
FROM tapline.gates g JOIN flow f ON f.id = g.id LEFT JOIN lanes l ON l.gate_id = g.id
ORDER BY g.name;

CREATE VIEW tapline.wall_gates AS
WITH flow AS (
    SELECT gate_id, sum(passed_in)::bigint AS in_today, sum(passed_out)::bigint AS out_today,
        sum(refused)::bigint AS refused_today, sum(passed_in) FILTER (WHERE recent)::bigint AS in_minute,
        sum(passed_out) FILTER (WHERE recent)::bigint AS out_minute, sum(refused) FILTER (WHERE recent)::bigint AS refused_minute,
        max(last_at) AS last_at
    FROM (SELECT *, slot > now() - interval '1 minute' AS recent FROM tapline_internal.gate_flow
          WHERE slot >= date_trunc('minute', (SELECT tapline.day_start()))) f
    GROUP BY gate_id
), lanes AS (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE does = 'open') AS open, count(*) FILTER (WHERE does = 'free') AS free,
        count(*) FILTER (WHERE does = 'closed') AS closed, count(*) FILTER (WHERE silent) AS silent, count(does) > 0 AS known
    FROM tapline_internal.lanes GROUP BY gate_id
)
SELECT g.id AS gate_id, g.name, z.name AS zone, o.name AS from_zone, coalesce(in_minute, 0) AS in_minute,
    coalesce(out_minute, 0) AS out_minute, coalesce(refused_minute, 0) AS refused_minute,
    coalesce(in_today, 0) AS in_today, coalesce(out_today, 0) AS out_today, coalesce(refused_today, 0) AS refused_today,
    coalesce(l.lanes, 0) AS lanes, CASE WHEN known THEN l.open WHEN l.lanes IS NULL THEN 0 END AS lanes_open,
    CASE WHEN known THEN l.free WHEN l.lanes IS NULL THEN 0 END AS lanes_free,
    CASE WHEN known THEN l.closed WHEN l.lanes IS NULL THEN 0 END AS lanes_closed, coalesce(l.silent, 0) AS lanes_silent, last_at
FROM tapline.gates g
JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones o ON o.id = g.from_zone_id
LEFT JOIN flow ON flow.gate_id = g.id
LEFT JOIN lanes l ON l.gate_id = g.id
ORDER BY g.name;

-- The parts of the state as JSON without blanks, as contract.md describes GET /api/live. A row with a level is an alarm:
-- its id, and its arguments. plpgsql keeps the plans, which take as long as the queries.
CREATE FUNCTION tapline_internal.live_counts() RETURNS TABLE (part text, id text, level text, content text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY WITH z AS MATERIALIZED (
        SELECT * FROM tapline.wall_zones
    ), g AS MATERIALIZED (
        SELECT g.*, d.before, d.now, d.percent, extract(epoch FROM d.drop_interval)::integer AS interval_s, d.is_drop
        FROM tapline.wall_gates g JOIN tapline.gate_drops d USING (gate_id)
    )
    SELECT 'zones', NULL, NULL, format('{"as_of":"%s","rows":[%s]}', tapline_internal.utc_text(now()), (
        SELECT string_agg((SELECT row_to_json(r)::text FROM (SELECT zone_id AS id, name, depth, inside, inside_total,
            capacity, z.percent, busy_percent AS busy_at, full_percent AS full_at, z.level, lanes, lanes_silent, unsent,
            tapline_internal.utc_text(heard_at) AS heard, net_hour, full_in_minutes AS full_in_min) r), ',' ORDER BY path)
        FROM z))
    UNION ALL SELECT 'gates', NULL, NULL, format('{"as_of":"%s","rows":[%s]}', tapline_internal.utc_text(now()), (
        SELECT string_agg((SELECT row_to_json(r)::text FROM (SELECT gate_id AS id, name, zone, from_zone,
            in_minute AS in_min, out_minute AS out_min, refused_minute AS refused_min, in_today AS in_day,
            out_today AS out_day, refused_today AS refused_day, lanes, lanes_open AS open, lanes_free AS free,
            lanes_closed AS closed, lanes_silent AS silent, tapline_internal.utc_text(last_at) AS last_tap,
            CASE WHEN is_drop THEN (SELECT row_to_json(d) FROM (SELECT before, now, g.percent, interval_s) d) END AS drop
            ) r), ',' ORDER BY name)
        FROM g))
    UNION ALL SELECT 'drops', NULL, NULL, (SELECT json_object_agg(gate_id, is_drop)::text FROM g)
    UNION ALL SELECT 'alarm', format('zone-%s:%s', z.level, zone_id), CASE z.level WHEN 'full' THEN 'alarm' ELSE 'warn' END,
        (SELECT row_to_json(r)::text FROM (SELECT name AS zone, z.percent, inside_total AS inside, capacity) r)
    FROM z WHERE z.level IN ('full', 'busy')
    UNION ALL SELECT 'alarm', format('gate-drop:%s', gate_id), 'alarm',
        (SELECT row_to_json(r)::text FROM (SELECT name AS gate, before, now, g.percent, interval_s) r)
    FROM g WHERE is_drop;
END $$;

COMMENT ON VIEW tapline.gate_drops IS 'Flow of each gate in the last two whole intervals (gates.drop_interval)';
COMMENT ON COLUMN tapline.gate_drops.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.gate_drops.name IS 'Name of the gate';
COMMENT ON COLUMN tapline.gate_drops.before IS 'People in both directions in the earlier interval';
COMMENT ON COLUMN tapline.gate_drops.now IS 'People in the later interval, which ends at the last full minute';
COMMENT ON COLUMN tapline.gate_drops.drop_interval IS 'Length of an interval';
COMMENT ON COLUMN tapline.gate_drops.drop_percent IS 'Decrease from which it is a sudden drop; null: never';
COMMENT ON COLUMN tapline.gate_drops.drop_minimum IS 'People needed in the earlier interval';
COMMENT ON COLUMN tapline.gate_drops.percent IS 'Decrease in per cent; null: no people before';
COMMENT ON COLUMN tapline.gate_drops.is_drop IS 'Whether it is a sudden drop; null: unknown, scans are missing';
COMMENT ON COLUMN tapline.wall_gates.lanes_free IS 'Of these, in free flow';
COMMENT ON COLUMN tapline.wall_gates.lanes_closed IS 'Of these, closed by an operator';
COMMENT ON COLUMN tapline.wall_gates.lanes_silent IS 'Of these, silent';
COMMENT ON COLUMN tapline.wall_gates.last_at IS 'Last tap';

INSERT INTO tapline_internal.objects_without_names VALUES
    ('wall_zones'), ('wall_gates'), ('gate_drops');

INSERT INTO tapline.schema_migrations (version, name) VALUES (22, 'wall_views');
