-- Reports of an event day. Each is a function of the day, which is the current one by default. A person is an attendee, or
-- a tag without one. All times are those of tapline.scan_time. Passages are scans that moved a person: admitted, not
-- annulled, not void, no inspection.
--
-- SECURITY DEFINER: readers have no access to tapline_internal. The planner expects too few scans, so nested loops are
-- off; parallel workers would send each scan with its whole run.

-- Begin and end of an event day.
CREATE FUNCTION tapline_internal.day_span(for_day date) RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (day + e.day_start) AT TIME ZONE e.time_zone, (day + 1 + e.day_start) AT TIME ZONE e.time_zone
    FROM tapline.event_settings e
    CROSS JOIN LATERAL (SELECT coalesce(for_day, tapline_internal.event_day(now(), e.time_zone, e.day_start)) AS day) d
$$;

-- All passages of a day, with the order of each person's. `tag_id` only where there is no attendee. `entered`: from off
-- site. `zone_id`: where the passage leads; null: off site.
CREATE FUNCTION tapline_internal.day_passages(for_day date) RETURNS TABLE (
    attendee_id bigint, tag_id bigint, at timestamptz, gate_id bigint, zone_id smallint, entered boolean, place bigint)
LANGUAGE plpgsql STABLE COST 100000 ROWS 100000 SET jit = off SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 SET work_mem = '64MB' AS $$
#variable_conflict use_column
DECLARE
    span constant record := (SELECT s FROM tapline_internal.day_span(for_day) s);
    first_journal constant bigint := (SELECT min(id) FROM tapline.journals WHERE last_received_at >= span.since);
BEGIN
    RETURN QUERY SELECT t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END, p.ordered_at, p.gate_id,
        CASE p.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END,
        coalesce(p.direction = 0 AND g.from_zone_id IS NULL, false),
        row_number() OVER (PARTITION BY t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END
            ORDER BY p.ordered_at, j.log, p.seq)
    FROM (SELECT journal_id, seq, tag_id, gate_id, direction, ordered_at FROM tapline_internal.passages
        WHERE journal_id >= first_journal AND latest >= span.since AND earliest < span.until
            AND ordered_at >= span.since AND ordered_at < span.until OFFSET 0) p
    JOIN tapline.journals j ON j.id = p.journal_id
    LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
    LEFT JOIN tapline.gates g ON g.id = p.gate_id;
END $$;

CREATE FUNCTION tapline.report_arrivals(for_day date DEFAULT NULL) RETURNS TABLE (
    slot timestamptz, arrived bigint, arrived_total bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT slot, count(*), sum(count(*)) OVER (ORDER BY slot)::bigint
    FROM (SELECT date_bin('15 minutes', at, 'epoch') AS slot FROM tapline_internal.day_passages(for_day) WHERE place = 1) p
    GROUP BY slot ORDER BY slot
$$;

-- A visit begins with a passage that leads into the zone from another place, and ends with the next one that leads
-- elsewhere. A second admission into the same zone does not end it.
CREATE FUNCTION tapline.report_dwell(for_day date DEFAULT NULL) RETURNS TABLE (
    zone text, visits bigint, people bigint, open_visits bigint, mean_min numeric, median_min numeric,
    p90_min numeric, longest_min numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH moves AS (
        SELECT *, lag(zone_id) OVER person AS before, place = 1 AS is_first FROM tapline_internal.day_passages(for_day)
        WINDOW person AS (PARTITION BY attendee_id, tag_id ORDER BY place)
    ), visits AS (
        SELECT *, extract(epoch FROM lead(at) OVER (PARTITION BY attendee_id, tag_id ORDER BY place) - at) / 60 AS minutes
        FROM moves WHERE is_first OR zone_id IS DISTINCT FROM before
    )
    SELECT z.name, count(*), count(DISTINCT (v.attendee_id, v.tag_id)), count(*) FILTER (WHERE v.minutes IS NULL),
        round(avg(v.minutes), 1), round(percentile_cont(0.5) WITHIN GROUP (ORDER BY v.minutes)::numeric, 1),
        round(percentile_cont(0.9) WITHIN GROUP (ORDER BY v.minutes)::numeric, 1), round(max(v.minutes), 1)
    FROM visits v JOIN tapline.zones z ON z.id = v.zone_id GROUP BY z.id, z.name ORDER BY z.name
$$;

CREATE FUNCTION tapline.report_no_shows(for_day date DEFAULT NULL) RETURNS TABLE (
    attendee_id bigint, name text, category text, external_ref text, pass text, tags bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.id, a.name, a.category, a.external_ref, p.name, (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = a.id)
    FROM tapline.attendees a JOIN tapline.passes p ON p.id = a.pass_id
    WHERE a.status = 'active' AND a.id NOT IN (
        SELECT d.attendee_id FROM tapline_internal.day_passages(for_day) d WHERE d.attendee_id IS NOT NULL)
    ORDER BY a.category, a.name, a.id
$$;

CREATE FUNCTION tapline_internal.day_refusals(for_day date) RETURNS TABLE (gate_id bigint, verdict smallint, tag_id bigint)
LANGUAGE plpgsql STABLE COST 100000 ROWS 10000 SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    span constant record := (SELECT s FROM tapline_internal.day_span(for_day) s);
    first_journal constant bigint := (SELECT min(id) FROM tapline.journals WHERE last_received_at >= span.since);
BEGIN
    RETURN QUERY SELECT r.gate_id, r.verdict, r.tag_id FROM tapline.refused_scans r
    WHERE r.journal_id >= first_journal AND r.latest >= span.since AND r.earliest < span.until
        AND r.time >= span.since AND r.time < span.until AND r.flags & 16 = 0 AND NOT r.is_void;
END $$;

CREATE FUNCTION tapline.report_refusals(for_day date DEFAULT NULL) RETURNS TABLE (
    gate text, reason text, verdict smallint, refused bigint, tags bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.name, tapline.verdict_name(r.verdict), r.verdict, count(*), count(DISTINCT r.tag_id)
    FROM tapline_internal.day_refusals(for_day) r LEFT JOIN tapline.gates g ON g.id = r.gate_id
    GROUP BY g.name, r.verdict ORDER BY count(*) DESC, g.name, r.verdict
$$;

CREATE FUNCTION tapline.report_reentries(for_day date DEFAULT NULL) RETURNS TABLE (
    gate text, entries bigint, reentries bigint, people bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.name, count(*), count(*) FILTER (WHERE e.number > 1),
        count(DISTINCT (e.attendee_id, e.tag_id)) FILTER (WHERE e.number > 1)
    FROM (SELECT *, row_number() OVER (PARTITION BY attendee_id, tag_id ORDER BY place) AS number
        FROM tapline_internal.day_passages(for_day) WHERE entered) e
    JOIN tapline.gates g ON g.id = e.gate_id GROUP BY g.id, g.name ORDER BY 3 DESC, g.name
$$;

-- Runs that arrived in time are not unnested: `earliest` is no later than any time of the run.
CREATE FUNCTION tapline.report_late(for_day date DEFAULT NULL) RETURNS TABLE (
    scanner_id text, gate text, late_scans bigint, longest_min numeric, first_time timestamptz, last_time timestamptz,
    last_received_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    late_after constant interval := '5 minutes';
    span constant record := (SELECT s FROM tapline_internal.day_span(for_day) s);
    first_journal constant bigint := (SELECT min(id) FROM tapline.journals c WHERE c.last_received_at >= span.since);
BEGIN
    RETURN QUERY SELECT j.scanner_id, g.name, count(*),
        round(max(extract(epoch FROM s.received_at - s.time)) / 60, 1), date_trunc('second', min(s.time)),
        date_trunc('second', max(s.time)), date_trunc('second', max(s.received_at))
    FROM (SELECT s.journal_id, s.gate_id, s.received_at, s.time FROM tapline.placed_scans s
        JOIN tapline_internal.scan_runs r USING (journal_id, first_seq)
        WHERE r.received_last > r.earliest + late_after AND s.journal_id >= first_journal AND s.latest >= span.since
            AND s.earliest < span.until AND s.time >= span.since AND s.time < span.until
            AND s.received_at > s.time + late_after OFFSET 0) s
    JOIN tapline.journals j ON j.id = s.journal_id
    LEFT JOIN tapline.gates g ON g.id = s.gate_id
    GROUP BY j.scanner_id, g.name ORDER BY count(*) DESC, j.scanner_id, g.name;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (27, 'reports');
