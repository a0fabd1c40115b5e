-- Live views. They count people, not tags, since the event's last day start. Their columns are described in
-- 0010_live_view_comments.sql.

-- A publisher sends a heartbeat at least every 15 s. A scanner counts as silent after four missed ones.
CREATE FUNCTION tapline_internal.silent_after() RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT interval '60 seconds' $$;

CREATE FUNCTION tapline.age_text(age interval) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN s < 120 THEN s || ' s' WHEN s < 7200 THEN s / 60 || ' min' WHEN s < 172800 THEN s / 3600 || ' h'
        ELSE s / 86400 || ' d' END
    FROM (SELECT floor(extract(epoch FROM age))::bigint AS s) seconds
$$;

CREATE VIEW tapline.scanner_overview AS
SELECT s.id AS scanner_id, s.enabled, coalesce(j.gate_id, s.gate_id) AS gate_id, j.id AS journal_id, j.log,
    j.last_received_at, j.backlog, j.snapshot_version, j.clock_skew, j.state,
    s.enabled AND coalesce(j.last_received_at < now() - tapline_internal.silent_after(), true) AS silent
FROM tapline.scanners s
LEFT JOIN (
    SELECT DISTINCT ON (scanner_id) * FROM tapline.journals ORDER BY scanner_id, last_received_at DESC, id DESC
) j ON j.scanner_id = s.id;

CREATE VIEW tapline.live_delegates AS
SELECT DISTINCT ON (t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END)
    t.attendee_id, a.name, a.category, a.external_ref, p.zone_id, z.name AS zone, p.since, p.tag_id, p.gate_id,
    g.name AS gate, p.scanner_id, p.ordered_at
FROM tapline.presence p
LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
LEFT JOIN tapline.zones z ON z.id = p.zone_id
LEFT JOIN tapline.gates g ON g.id = p.gate_id
WHERE p.ordered_at >= (SELECT tapline.day_start())
ORDER BY t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END, p.ordered_at DESC, p.log DESC, p.seq DESC;

-- Each zone with its ancestors, outermost first and itself last, as ids and as names. A function because of ROWS: the
-- planner estimates a recursive query at millions of rows. It then spends seconds on JIT compilation of a query that
-- runs for milliseconds.
CREATE FUNCTION tapline_internal.zone_paths() RETURNS TABLE (zone_id smallint, ids smallint[], path text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100 AS $$
BEGIN
    RETURN QUERY
    WITH RECURSIVE tree(id, ids, path) AS (
        SELECT z.id, ARRAY[z.id], ARRAY[z.name] FROM tapline.zones z WHERE z.parent_id IS NULL
        UNION ALL
        SELECT z.id, tree.ids || z.id, tree.path || z.name FROM tapline.zones z JOIN tree ON z.parent_id = tree.id
    ) SELECT * FROM tree;
END $$;

CREATE VIEW tapline.live_zones AS
WITH tree AS MATERIALIZED (
    SELECT * FROM tapline_internal.zone_paths()
), within AS (
    SELECT unnest(ids) AS zone_id, zone_id AS inner_id FROM tree
), here AS (
    SELECT zone_id, count(*) AS people FROM tapline.live_delegates WHERE zone_id IS NOT NULL GROUP BY zone_id
), total AS (
    SELECT w.zone_id, sum(h.people) AS people
    FROM within w JOIN here h ON h.zone_id = w.inner_id GROUP BY w.zone_id
), heard AS (
    -- The lanes that a zone's count depends on: of all gates that lead into or out of the zone or a zone within.
    SELECT zone_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent,
        min(last_received_at) FILTER (WHERE NOT silent) AS as_of
    FROM (
        SELECT DISTINCT w.zone_id, l.scanner_id, l.silent, l.last_received_at
        FROM tapline.scanner_overview l
        JOIN tapline.gates g ON g.id = l.gate_id
        JOIN within w ON w.inner_id IN (g.zone_id, g.from_zone_id)
        WHERE l.enabled
    ) each GROUP BY zone_id
)
SELECT z.id AS zone_id, z.name, z.parent_id, coalesce(here.people, 0)::bigint AS inside,
    coalesce(total.people, 0)::bigint AS inside_total, z.capacity, coalesce(heard.lanes, 0)::bigint AS lanes,
    coalesce(heard.silent, 0)::bigint AS lanes_silent, heard.as_of,
    cardinality(tree.path) - 1 AS depth, tree.path
FROM tapline.zones z
JOIN tree ON tree.zone_id = z.id
LEFT JOIN here ON here.zone_id = z.id
LEFT JOIN total ON total.zone_id = z.id
LEFT JOIN heard ON heard.zone_id = z.id
ORDER BY tree.path;

CREATE VIEW tapline.live_gates AS
WITH flow AS (
    SELECT f.gate_id, sum(f.passed_in)::bigint AS in_today, sum(f.passed_out)::bigint AS out_today,
        coalesce(sum(f.passed_in) FILTER (WHERE recent), 0)::bigint AS in_minute,
        coalesce(sum(f.passed_out) FILTER (WHERE recent), 0)::bigint AS out_minute,
        sum(f.refused)::bigint AS refused_today,
        coalesce(sum(f.refused) FILTER (WHERE recent), 0)::bigint AS refused_minute,
        sum(f.annulled)::bigint AS annulled_today, sum(f.untapped)::bigint AS untapped_today, max(f.last_at) AS last_at
    FROM (SELECT *, slot > now() - interval '1 minute' AS recent FROM tapline_internal.gate_flow
          WHERE slot >= date_trunc('minute', (SELECT tapline.day_start()))) f
    GROUP BY f.gate_id
), lanes AS (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent, max(last_received_at) AS as_of
    FROM tapline.scanner_overview WHERE enabled GROUP BY gate_id
)
SELECT g.id AS gate_id, g.name, z.name AS zone, f.name AS from_zone,
    coalesce(in_minute, 0) AS in_minute, coalesce(out_minute, 0) AS out_minute,
    coalesce(refused_minute, 0) AS refused_minute, coalesce(in_today, 0) AS in_today,
    coalesce(out_today, 0) AS out_today, coalesce(refused_today, 0) AS refused_today,
    coalesce(annulled_today, 0) AS annulled_today, coalesce(untapped_today, 0) AS untapped_today, last_at,
    coalesce(lanes.lanes, 0) AS lanes, coalesce(lanes.silent, 0) AS lanes_silent, lanes.as_of
FROM tapline.gates g
JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
LEFT JOIN flow ON flow.gate_id = g.id
LEFT JOIN lanes ON lanes.gate_id = g.id
ORDER BY g.name;

INSERT INTO tapline.schema_migrations (version, name) VALUES (6, 'live_views');
