-- Live views. They count people, not tags, since the event's last day start.

CREATE FUNCTION tapline.age_text(age interval) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN s < 120 THEN s || ' s' WHEN s < 7200 THEN s / 60 || ' min' WHEN s < 172800 THEN s / 3600 || ' h'
        ELSE s / 86400 || ' d' END
    FROM (SELECT floor(extract(epoch FROM age))::bigint AS s) seconds
$$;

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
-- planner estimates a recursive query at millions of rows and spends seconds on JIT compilation of a query that runs
-- for milliseconds.
CREATE FUNCTION tapline_internal.zone_paths() RETURNS TABLE (zone_id smallint, ids smallint[], path text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 100 AS $$
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
        nullif(min(known_until) FILTER (WHERE NOT silent), '-infinity') AS as_of
    FROM (
        SELECT DISTINCT w.zone_id, l.scanner_id, l.silent, l.known_until
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

-- Spans of time in which scans are known, or must be assumed, to be missing from the figures. A lane reports in the
-- order of its journals, so what it has not delivered is later than what it has.
CREATE VIEW tapline.unsettled_spans AS
WITH lanes AS MATERIALIZED (
    SELECT l.scanner_id, tapline.day_start(l.last_received_at) AS day,
        CASE WHEN l.backlog > 0 THEN coalesce(stored.at, '-infinity') ELSE l.known_until END AS since
    FROM tapline.scanner_overview l
    LEFT JOIN LATERAL (
        -- Retention may have dropped the scan.
        SELECT coalesce(tapline_internal.scan_time_at(j.id, j.last_seq), j.retired_at) AS at
        FROM (SELECT id, last_seq, retired_at FROM tapline.journals WHERE scanner_id = l.scanner_id AND last_seq > 0
            ORDER BY last_received_at DESC, id DESC LIMIT 1) j
    ) stored ON l.backlog > 0
    WHERE l.enabled AND l.last_received_at IS NOT NULL
), days AS MATERIALIZED (
    SELECT day, tapline.day_end(day) AS ends FROM (SELECT DISTINCT day FROM lanes) d
)
SELECT 'lane' AS reason, scanner_id, least(since, ends) AS since, ends AS until FROM lanes JOIN days USING (day)
UNION ALL
SELECT 'gap', scanner_id, least(since, until), until
FROM (
    -- A journal ends after 24 hours. Many gaps of one journal count as one, so that a faulty device costs two searches.
    SELECT g.scanner_id, coalesce(b.at, a.at - interval '24 hours', j.retired_at, '-infinity') AS since,
        coalesce(a.at, g.last_received_at) AS until
    FROM (
        SELECT scanner_id, journal_id, min(first_seq) AS first_seq, max(last_seq) AS last_seq, last_received_at
        FROM (SELECT *, CASE WHEN count(*) OVER (PARTITION BY journal_id) <= 100 THEN first_seq END AS part
            FROM tapline.seq_gaps) each
        GROUP BY scanner_id, journal_id, last_received_at, part
    ) g JOIN tapline.journals j ON j.id = g.journal_id
    CROSS JOIN LATERAL (SELECT tapline_internal.scan_time_at(g.journal_id, g.first_seq - 1) AS at) b
    CROSS JOIN LATERAL (SELECT tapline_internal.scan_time_at(g.journal_id, g.last_seq + 1) AS at) a
) gaps
UNION ALL
SELECT 'tracking', j.scanner_id, least(f.at, l.at), greatest(f.at, l.at)
FROM tapline_internal.tracking_queue q
JOIN tapline.journals j ON j.id = q.journal_id
CROSS JOIN LATERAL (SELECT tapline_internal.scan_time_at(q.journal_id, q.first_seq) AS at) f
CROSS JOIN LATERAL (SELECT tapline_internal.scan_time_at(q.journal_id, q.last_seq) AS at) l
UNION ALL
SELECT 'refresh', NULL, min(instant), max(instant) FROM (
    SELECT instant, tapline.day_start(instant) AS day FROM tapline_internal.double_admissions_due) due
GROUP BY day;

INSERT INTO tapline.schema_migrations (version, name) VALUES (11, 'live_views');
