-- Verification: computes tracking from the scans alone, and compares it with what the tracker wrote. The tracker uses
-- the positions for tags whose annulments changed.

-- The position of each tag by definition (contract.md section 5, presence).
CREATE VIEW tapline_internal.positions_expected AS
SELECT DISTINCT ON (p.tag_id) p.tag_id, p.ordered_at, p.journal_id, p.seq, p.gate_id,
    p.direction::smallint AS direction
FROM tapline_internal.passages p JOIN tapline.journals j ON j.id = p.journal_id
ORDER BY p.tag_id, p.ordered_at DESC, j.log DESC, p.seq DESC;

-- The same of some tags: in one pass over all scans, and by a search for each tag, which takes milliseconds.
CREATE FUNCTION tapline_internal.positions_of(wanted bigint[]) RETURNS SETOF tapline_internal.tag_positions
LANGUAGE sql STABLE SET enable_nestloop = off SET max_parallel_workers_per_gather = 0 AS $$
    SELECT DISTINCT ON (p.tag_id) p.tag_id, p.ordered_at, p.journal_id, p.seq, p.gate_id, p.direction::smallint
    FROM tapline_internal.passages p JOIN tapline.journals j ON j.id = p.journal_id
    WHERE p.tag_id IN (SELECT unnest(wanted))
    ORDER BY p.tag_id, p.ordered_at DESC, j.log DESC, p.seq DESC
$$;
CREATE FUNCTION tapline_internal.searched_positions_of(wanted bigint[]) RETURNS SETOF tapline_internal.tag_positions
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT last.*
    FROM unnest(wanted) AS w(tag_id)
    CROSS JOIN LATERAL (
        SELECT w.tag_id, s.ordered_at, s.journal_id, s.seq, s.gate_id, (s.flags & 1)::smallint
        FROM (
            SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS ordered_at
            FROM tapline.scans_of(w.tag_id)) s
        JOIN tapline.journals j ON j.id = s.journal_id
        WHERE s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_void AND NOT EXISTS (
            SELECT FROM tapline_internal.annulled x WHERE x.journal_id = s.journal_id AND x.seq = s.seq)
        ORDER BY s.ordered_at DESC, j.log DESC, s.seq DESC LIMIT 1) last;
END $$;

-- The annulled admissions by definition (contract.md section 4). A void annulment annuls nothing.
CREATE VIEW tapline_internal.annulled_expected AS
SELECT journal_id, seq FROM tapline_internal.annulled_of(
    ARRAY(SELECT DISTINCT journal_id FROM tapline_internal.scan_runs WHERE has_annulments));

-- Compares tracking with the scans and returns the rows by table and result. With `repair` it then corrects the tables
-- and empties the queue; without, it changes nothing.
--
-- Call it in a separate transaction, REPEATABLE READ, while the session holds the advisory lock of the trackers: then
-- none writes. Rows that stem from scans dropped by retention stay. Nested loops are off as in
-- find_double_admissions. Parallel workers are off, because each unnested scan would be sent with its whole run.
CREATE FUNCTION tapline_internal.rebuild_tracking(repair boolean)
RETURNS TABLE (relation text, rows_right bigint, rows_missing bigint, rows_wrong bigint)
LANGUAGE plpgsql SET enable_nestloop = off SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
BEGIN
    CREATE TEMP TABLE held ON COMMIT DROP AS SELECT id, retired_seq FROM tapline.journals j
        WHERE EXISTS (SELECT FROM tapline_internal.scan_runs r WHERE r.journal_id = j.id);
    ALTER TABLE held ADD PRIMARY KEY (id);
    ANALYZE held;

    CREATE TEMP TABLE new_annulled ON COMMIT DROP AS SELECT * FROM tapline_internal.annulled_expected;
    RETURN QUERY SELECT 'annulled', count(*) FILTER (WHERE n.seq IS NOT NULL AND o.seq IS NOT NULL),
        count(*) FILTER (WHERE o.seq IS NULL), count(*) FILTER (WHERE n.seq IS NULL)
    FROM (SELECT a.* FROM tapline_internal.annulled a JOIN held ON held.id = a.journal_id) o
    FULL JOIN new_annulled n USING (journal_id, seq);
    IF repair THEN
        DELETE FROM tapline_internal.annulled a USING held WHERE held.id = a.journal_id;
        INSERT INTO tapline_internal.annulled SELECT * FROM new_annulled;
        DELETE FROM tapline_internal.tracking_queue;
    END IF;

    CREATE TEMP TABLE new_positions ON COMMIT DROP AS
    SELECT t.*, j.log FROM tapline_internal.positions_expected t JOIN tapline.journals j ON j.id = t.journal_id
    WHERE NOT EXISTS (
        SELECT FROM tapline_internal.tag_positions p JOIN tapline.journals k ON k.id = p.journal_id
        WHERE p.tag_id = t.tag_id AND (p.ordered_at, k.log, p.seq) > (t.ordered_at, j.log, t.seq)
            AND NOT EXISTS (SELECT FROM held WHERE held.id = p.journal_id AND p.seq > held.retired_seq));
    RETURN QUERY SELECT 'presence', count(*) FILTER (WHERE ROW(n.*) IS NOT DISTINCT FROM ROW(o.*)),
        count(*) FILTER (WHERE o.tag_id IS NULL),
        count(*) FILTER (WHERE o.tag_id IS NOT NULL AND ROW(n.*) IS DISTINCT FROM ROW(o.*))
    FROM (SELECT p.* FROM tapline_internal.tag_positions p
          WHERE EXISTS (SELECT FROM held WHERE held.id = p.journal_id AND p.seq > held.retired_seq)) o
    FULL JOIN (SELECT tag_id, ordered_at, journal_id, seq, gate_id, direction FROM new_positions) n
        ON n.tag_id = o.tag_id;
    IF repair THEN
        DELETE FROM tapline_internal.tag_positions p USING held
        WHERE held.id = p.journal_id AND p.seq > held.retired_seq;
        -- What is left of these tags is earlier, and its scan was dropped.
        DELETE FROM tapline_internal.tag_positions p USING new_positions n WHERE n.tag_id = p.tag_id;
        INSERT INTO tapline_internal.tag_positions
        SELECT tag_id, ordered_at, journal_id, seq, gate_id, direction FROM new_positions;
    END IF;

    DROP TABLE held, new_annulled, new_positions;
    RETURN QUERY SELECT * FROM tapline_internal.rebuild_flow(repair);
END $$;

-- Refreshes the double admissions that are due of the latest event day, in one transaction. If it is cancelled, all of
-- them stay due. Returns false if none is due.
CREATE FUNCTION tapline_internal.refresh_due_double_admissions() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
    until timestamptz;
    is_whole_day boolean;
    due_tags bigint[];
    due_attendees bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tapline_internal.double_admission_log'));
    since := (SELECT tapline.day_start(max(instant)) FROM tapline_internal.double_admissions_due);
    IF since IS NULL THEN RETURN false; END IF;
    until := tapline.day_end(since);
    WITH seen AS (
        DELETE FROM tapline_internal.double_admissions_due
        WHERE instant >= since AND instant < until RETURNING tag_id, attendee_id)
    SELECT bool_or(tag_id IS NULL AND attendee_id IS NULL),
        array_agg(DISTINCT tag_id) FILTER (WHERE tag_id IS NOT NULL), array_agg(DISTINCT attendee_id)
    INTO is_whole_day, due_tags, due_attendees FROM seen;
    -- A transaction of a tracker that began before a change of the registry may still log by the former one. This waits
    -- until it has ended, and the end of the block releases the lock.
    BEGIN
        PERFORM pg_advisory_xact_lock(92703854297089);
        RAISE SQLSTATE 'TL001';
    EXCEPTION WHEN SQLSTATE 'TL001' THEN NULL;
    END;
    PERFORM tapline_internal.refresh_double_admissions(since, true, CASE WHEN NOT is_whole_day THEN ARRAY(
        SELECT tag_id FROM tapline.tags WHERE attendee_id = ANY (
            due_attendees || ARRAY(SELECT attendee_id FROM tapline.tags WHERE tag_id = ANY (due_tags)))
        UNION SELECT unnest(due_tags)) END);
    RETURN true;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (9, 'verification');
