-- Comments of the queries of scans (0026) and of the reports (0027).

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

INSERT INTO tapline.schema_migrations (version, name) VALUES (28, 'report_comments');
