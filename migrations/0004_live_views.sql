-- The live views: people, not bands, since the event's last day start.

-- A publisher speaks every 15 s at least; after four missed words it counts as silent.
CREATE FUNCTION tapline.silent_after() RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT interval '60 seconds' $$;

-- An age for a narrow column: 59 s, 119 min, 47 h, 12 d.
CREATE FUNCTION tapline.age_text(age interval) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN s < 120 THEN s || ' s' WHEN s < 7200 THEN s / 60 || ' min' WHEN s < 172800 THEN s / 3600 || ' h'
        ELSE s / 86400 || ' d' END
    FROM (SELECT floor(extract(epoch FROM age))::bigint AS s) seconds
$$;

-- Each scanner with its journal of the last word, and the gate that it serves.
CREATE VIEW tapline.lanes AS
SELECT s.id AS scanner_id, s.enabled, coalesce(j.gate_id, s.gate_id) AS gate_id, j.id AS journal_id, j.log,
    j.last_received_at, j.backlog, j.snapshot_version, j.clock_skew, j.state,
    s.enabled AND coalesce(j.last_received_at < now() - tapline.silent_after(), true) AS silent
FROM tapline.scanners s
LEFT JOIN (
    SELECT DISTINCT ON (scanner_id) * FROM tapline.journals ORDER BY scanner_id, last_received_at DESC, id DESC
) j ON j.scanner_id = s.id;

-- One row a person: the latest of all his bands. A tag that nobody is registered for is a person of its own.
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
COMMENT ON VIEW tapline.live_delegates IS 'Where each person is now; zone null: off site';

-- Each zone with its ancestors, the outermost first and itself last, by id and by name. A function, for its ROWS: the planner
-- takes a recursive query for millions of rows, and compiles for seconds what runs for milliseconds.
CREATE FUNCTION tapline.zone_paths() RETURNS TABLE (zone_id smallint, ids smallint[], path text[])
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
    SELECT * FROM tapline.zone_paths()
), within AS (
    SELECT unnest(ids) AS zone_id, zone_id AS inner_id FROM tree
), here AS (
    SELECT zone_id, count(*) AS people FROM tapline.live_delegates WHERE zone_id IS NOT NULL GROUP BY zone_id
), total AS (
    SELECT w.zone_id, sum(h.people) AS people
    FROM within w JOIN here h ON h.zone_id = w.inner_id GROUP BY w.zone_id
), heard AS (
    -- The lanes that a zone's count hangs on: of all gates that lead into it or out of it, or of a zone within.
    SELECT zone_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent,
        min(last_received_at) FILTER (WHERE NOT silent) AS as_of
    FROM (
        SELECT DISTINCT w.zone_id, l.scanner_id, l.silent, l.last_received_at
        FROM tapline.lanes l
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
COMMENT ON VIEW tapline.live_zones IS
    'People in each zone (inside) and with the zones within (inside_total). as_of: every lane that is not silent has spoken since';

CREATE VIEW tapline.live_gates AS
WITH today AS (
    SELECT s.gate_id, s.verdict, s.flags & 1 AS direction, least(s.scanned_at, s.received_at) AS at,
        s.verdict = 0 AND s.flags & 16 <> 16 AND s.tag_id <> 0 AND x.seq IS NULL AS passed, s.flags & 16 <> 0 AS inspection
    FROM tapline.scans s
    LEFT JOIN tapline.annulled_scans x ON x.journal_id = s.journal_id AND x.seq = s.seq
    -- The first condition lets the index skip; the second is the rule.
    WHERE s.received_at >= (SELECT tapline.day_start())
        AND least(s.scanned_at, s.received_at) >= (SELECT tapline.day_start())
), flow AS (
    SELECT gate_id,
        count(*) FILTER (WHERE passed AND direction = 0) AS in_today,
        count(*) FILTER (WHERE passed AND direction = 1) AS out_today,
        count(*) FILTER (WHERE passed AND direction = 0 AND at > now() - interval '1 minute') AS in_minute,
        count(*) FILTER (WHERE passed AND direction = 1 AND at > now() - interval '1 minute') AS out_minute,
        count(*) FILTER (WHERE verdict BETWEEN 1 AND 63 AND NOT inspection) AS refused_today,
        count(*) FILTER (WHERE verdict BETWEEN 1 AND 63 AND NOT inspection
            AND at > now() - interval '1 minute') AS refused_minute,
        count(*) FILTER (WHERE verdict = 64) AS annulled_today,
        count(*) FILTER (WHERE verdict IN (133, 134)) AS untapped_today,
        max(at) FILTER (WHERE verdict < 128) AS last_at
    FROM today GROUP BY gate_id
), lanes AS (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent, max(last_received_at) AS as_of
    FROM tapline.lanes WHERE enabled GROUP BY gate_id
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
COMMENT ON VIEW tapline.live_gates IS 'Flow at each gate, by the time of the tap: the last minute, and since the day start';

INSERT INTO tapline.schema_migrations (version, name) VALUES (4, 'live_views');
