-- The other reports, then the comments of the queries of scans (0026) and of all reports.

CREATE FUNCTION tapline.report_categories(for_day date DEFAULT NULL) RETURNS TABLE (
    category text, expected bigint, arrived bigint, percent bigint, passages bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH seen AS (
        SELECT attendee_id, tag_id, count(*) AS passages FROM tapline_internal.day_passages(for_day)
        GROUP BY attendee_id, tag_id
    ), people AS (
        SELECT a.category, a.status = 'active' AND a.pass_id IS NOT NULL AS is_expected, s.passages
        FROM tapline.attendees a LEFT JOIN seen s ON s.attendee_id = a.id
        UNION ALL SELECT NULL, false, passages FROM seen WHERE attendee_id IS NULL
    )
    SELECT category, count(*) FILTER (WHERE is_expected), count(passages),
        count(passages) FILTER (WHERE is_expected) * 100 / nullif(count(*) FILTER (WHERE is_expected), 0),
        coalesce(sum(passages), 0)::bigint
    FROM people GROUP BY category HAVING bool_or(is_expected) OR count(passages) > 0 ORDER BY 2 DESC, category
$$;

-- From the counts of the tracker, by the minute of the tap.
CREATE FUNCTION tapline.report_busiest(for_day date DEFAULT NULL) RETURNS TABLE (
    gate text, slot timestamptz, passed_in bigint, passed_out bigint, per_hour bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT ON (f.gate_id) g.name, f.slot, f.passed_in, f.passed_out, (f.passed_in + f.passed_out) * 4
    FROM (
        SELECT f.gate_id, date_bin('15 minutes', f.slot, 'epoch') AS slot, sum(f.passed_in)::bigint AS passed_in,
            sum(f.passed_out)::bigint AS passed_out
        FROM tapline_internal.gate_flow f CROSS JOIN tapline_internal.day_span(for_day) d
        WHERE f.slot >= d.since AND f.slot < d.until GROUP BY GROUPING SETS ((1, 2), (2))
    ) f LEFT JOIN tapline.gates g ON g.id = f.gate_id
    WHERE f.passed_in + f.passed_out > 0 ORDER BY f.gate_id NULLS FIRST, f.passed_in + f.passed_out DESC, f.slot
$$;

-- The people that the wall counts as inside, for an evacuation.
CREATE FUNCTION tapline.report_muster() RETURNS TABLE (
    zone text, name text, category text, external_ref text, since timestamptz, gate text, attendee_id bigint, tag_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT zone, name, category, external_ref, date_trunc('second', since), gate, attendee_id, tag_id
    FROM tapline.live_delegates
    WHERE zone_id IS NOT NULL ORDER BY zone, name, attendee_id, tag_id
$$;

COMMENT ON VIEW tapline.placed_scans IS
    'All scans with their time and with what they count for. Fast with conditions on journal_id, gate_id, '
    'snapshot_version, and on earliest and latest of the run; ask tapline.all_scans(since, until) for a span of time';
COMMENT ON COLUMN tapline.placed_scans.time IS 'Time of the scan, see tapline.scan_time';
COMMENT ON COLUMN tapline.placed_scans.is_annulled IS
    'Whether it is an admission that a verdict 64 annulled, because its person did not pass';
COMMENT ON COLUMN tapline.placed_scans.is_void IS 'Whether the scan is void (tapline.void_scans)';

COMMENT ON VIEW tapline.scans_today IS
    'The scans of the current event day, by their time (tapline.scan_time). It reads the runs of the day only: the fast '
    'form of `tapline.scans WHERE scanned_at >= tapline.day_start()`, which reads all scans';

COMMENT ON VIEW tapline.refused_scans IS
    'The refused taps: rows of tapline.placed_scans with a verdict from 1 to 63, read without the other scans';

-- A column has one meaning, whatever relation shows it.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT c.relname AS relation, a.attname AS name, t.text
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        CROSS JOIN LATERAL (
            SELECT col_description(s.attrelid, s.attnum) AS text FROM pg_attribute s
            WHERE s.attrelid IN ('tapline.placed_scans'::regclass, 'tapline.run_scans'::regclass) AND s.attname = a.attname
                AND s.attnum > 0 AND col_description(s.attrelid, s.attnum) IS NOT NULL LIMIT 1) t
        WHERE c.oid IN ('tapline.placed_scans'::regclass, 'tapline.scans_today'::regclass,
                'tapline.refused_scans'::regclass)
            AND col_description(c.oid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN tapline.%I.%I IS %L', missing.relation, missing.name, missing.text);
    END LOOP;
END $$;

COMMENT ON FUNCTION tapline.all_scans(timestamptz, timestamptz) IS
    'All scans with `since` <= time < `until`, denied ones and lane events too, with gate, zone, person and scanner; in '
    'no order. `counts`: it moved the person: admitted, not annulled, not void, no inspection. The fast way for a span';
COMMENT ON FUNCTION tapline.site_track(timestamptz, timestamptz) IS
    'The taps of the whole site with `since` <= time < `until`, in their order. A quarter of an hour takes well under a '
    'second. Columns as in tapline.delegate_track';
COMMENT ON FUNCTION tapline.gate_track(text, timestamptz, timestamptz) IS
    'The taps at one gate, given by its name, with `since` <= time < `until`, in their order. Fails for an unknown name';
COMMENT ON FUNCTION tapline.refusals(timestamptz, timestamptz) IS
    'The refused taps (verdicts 1 to 63) with `since` <= time < `until`, without inspections and void scans, in their '
    'order. tapline.refusals(tapline.day_start(), ''infinity'') are those of the current event day';

COMMENT ON FUNCTION tapline.report_arrivals(date) IS
    'First passages of people of an event day (null: the current one) by quarter of an hour, which `slot` begins; and '
    'their running total. People, not tags';
COMMENT ON FUNCTION tapline.report_dwell(date) IS
    'How long people stayed in each zone, without the zones within it, in minutes. A visit that no passage ends is open, '
    'and is in no mean. p90: nine of ten visits were shorter';
COMMENT ON FUNCTION tapline.report_no_shows(date) IS
    'Active attendees with a pass and without a passage in the event day. Names';
COMMENT ON FUNCTION tapline.report_refusals(date) IS
    'Refused taps of an event day by gate and reason, without inspections and void scans, and the number of tags';
COMMENT ON FUNCTION tapline.report_reentries(date) IS
    'Entries from off site at each gate. A re-entry is every entry of a person after the first of the day; `people` had '
    'one at this gate';
COMMENT ON FUNCTION tapline.report_late(date) IS
    'Scans that arrived more than 5 minutes after their time, by scanner and gate: figures of their time have changed '
    'after it. longest_min: from the scan to its arrival';
COMMENT ON FUNCTION tapline.report_categories(date) IS
    'People of an event day by category; null: none, or tags without an attendee. expected: active attendees with a '
    'pass. percent: arrived ones of these, rounded down';
COMMENT ON FUNCTION tapline.report_busiest(date) IS
    'The quarter of an hour with the most passages, first of the whole site (gate null), then of each gate. per_hour: '
    'passages an hour at that rate';
COMMENT ON FUNCTION tapline.report_muster() IS
    'The people inside now by zone, as tapline.live_zones counts them. Names. People who entered before the start of the '
    'event day are not in it';

INSERT INTO tapline_internal.objects_without_names SELECT 'report_' || unnest(ARRAY[
    'arrivals', 'dwell', 'refusals', 'reentries', 'late', 'categories', 'busiest']);
INSERT INTO tapline.schema_migrations (version, name) VALUES (28, 'report_comments');
