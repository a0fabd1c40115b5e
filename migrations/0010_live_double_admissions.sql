-- The tracker notes a double admission as it comes; the look at the whole day follows, and takes back what a late scan
-- contradicts. So the look must not take away what was noted while it was under way: it reads what is kept before it reads
-- the scans. Otherwise as in 0009.

-- Looks at the event day of an instant, or at all for '-infinity': rows that differed, by kind; with `repair` they are then
-- right. What was found in scans that retention has dropped stays.
CREATE OR REPLACE FUNCTION tapline.refresh_double_admissions(instant timestamptz, repair boolean DEFAULT true)
RETURNS TABLE (rows_right bigint, rows_missing bigint, rows_wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    begun constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_start(instant) ELSE '-infinity' END;
    beyond constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_end(instant) ELSE 'infinity' END;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tapline.kept_double_admissions'));
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM tapline.kept_double_admissions o
        WHERE at >= begun AND at < beyond
            AND EXISTS (SELECT FROM tapline.scans s WHERE s.journal_id = o.journal_id AND s.seq = o.seq);
    CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM tapline.find_double_admissions(begun, beyond);
    ANALYZE kept;
    ANALYZE found;
    SELECT count(*) FILTER (WHERE ROW(f.*) IS NOT DISTINCT FROM ROW(k.*)), count(*) FILTER (WHERE k.seq IS NULL),
        count(*) FILTER (WHERE k.seq IS NOT NULL AND ROW(f.*) IS DISTINCT FROM ROW(k.*))
    INTO rows_right, rows_missing, rows_wrong
    FROM kept k FULL JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq;
    IF repair AND rows_missing + rows_wrong > 0 THEN
        DELETE FROM tapline.kept_double_admissions o USING (
            SELECT k.journal_id, k.seq FROM kept k LEFT JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq
            WHERE ROW(f.*) IS DISTINCT FROM ROW(k.*)) gone
        WHERE o.journal_id = gone.journal_id AND o.seq = gone.seq;
        INSERT INTO tapline.kept_double_admissions SELECT * FROM found ON CONFLICT DO NOTHING;
    END IF;
    DROP TABLE found, kept;
    RETURN NEXT;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (10, 'live_double_admissions');
