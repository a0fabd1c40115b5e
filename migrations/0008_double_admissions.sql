-- Double admissions: two consecutive passages of one person in one event day that both lead into the same zone. An
-- exit, or the annulment of the first admission, between them ends the sequence. The tracker logs most of them as it
-- tracks the scans, and marks the other people as due. A refresh computes the day of these people again. After a backlog
-- and after a change of the registry it computes whole days.

CREATE TABLE tapline_internal.double_admission_log (
    attendee_id bigint,  -- null: the tag is registered for no attendee
    zone_id smallint NOT NULL,
    first_gate_id bigint NOT NULL,
    first_at timestamptz NOT NULL,
    first_tag_id bigint NOT NULL,
    first_journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    gate_id bigint NOT NULL,
    at timestamptz NOT NULL,
    tag_id bigint NOT NULL,
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX double_admission_log_at ON tapline_internal.double_admission_log (at);

-- The rule, for a passage and the passage before it of the same person. Direction 0 is in. Inlined by the planner.
CREATE FUNCTION tapline_internal.is_double_admission(
    first_direction integer, first_zone_id smallint, first_at timestamptz, direction integer, zone_id smallint,
    at timestamptz, time_zone text, day_start time) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT direction = 0 AND first_direction = 0 AND zone_id = first_zone_id
        AND tapline_internal.event_day(at, time_zone, day_start) = tapline_internal.event_day(first_at, time_zone, day_start)
$$;

-- All double admissions among the passages from `since` to before `until`, of all people or of those whose tags are all
-- in `tags`. Tags without an attendee count as persons.
-- The planner expects far too few scans, because it has no statistics of unnested columns: nested loops are off. So are
-- parallel workers, because each scan would be sent with its whole run.
CREATE FUNCTION tapline_internal.find_double_admissions(since timestamptz, until timestamptz, tags bigint[] DEFAULT NULL)
RETURNS SETOF tapline_internal.double_admission_log LANGUAGE plpgsql STABLE SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    filtered_tags_limit constant integer := 32;
    -- A scan arrives after its time, so journals last heard before `since` hold none. Prunes partitions.
    first_journal constant bigint := (SELECT min(id) FROM tapline.journals WHERE last_received_at >= since);
    conditions text := '';
BEGIN
    IF tags IS NOT NULL THEN
        conditions := ' AND p.tag_id = ANY ($4)';
        IF cardinality(tags) BETWEEN 1 AND filtered_tags_limit THEN
            conditions := conditions || format(' AND (%s)', (
                SELECT string_agg(format('tapline_internal.may_hold(p.tag_filter, $4[%s])', i), ' OR ')
                FROM generate_subscripts(tags, 1) i));
        END IF;
    END IF;
    RETURN QUERY EXECUTE $query$
WITH event AS MATERIALIZED (SELECT * FROM tapline.event_settings)
SELECT w.attendee_id, w.zone_id, w.first_gate_id, w.first_at, w.first_tag_id, w.first_journal_id, w.first_seq,
    w.gate_id, w.ordered_at, w.tag_id, w.journal_id, w.seq
FROM (
    SELECT t.attendee_id, p.tag_id, p.direction, g.zone_id, p.gate_id, p.ordered_at, p.journal_id, p.seq,
        lag(p.direction) OVER person AS first_direction, lag(g.zone_id) OVER person AS first_zone_id,
        lag(p.gate_id) OVER person AS first_gate_id, lag(p.ordered_at) OVER person AS first_at,
        lag(p.tag_id) OVER person AS first_tag_id, lag(p.journal_id) OVER person AS first_journal_id,
        lag(p.seq) OVER person AS first_seq
    FROM tapline_internal.passages p
    JOIN tapline.journals j ON j.id = p.journal_id
    LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
    LEFT JOIN tapline.gates g ON g.id = p.gate_id
    -- The conditions on `latest` and `earliest` skip runs.
    WHERE p.journal_id >= $3 AND p.latest >= $1 AND p.earliest < $2
        AND p.ordered_at >= $1 AND p.ordered_at < $2 $query$ || conditions || $query$
    WINDOW person AS (
        PARTITION BY t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END
        ORDER BY p.ordered_at, j.log, p.seq)
) w
CROSS JOIN event e
WHERE tapline_internal.is_double_admission(
    w.first_direction, w.first_zone_id, w.first_at, w.direction, w.zone_id, w.ordered_at, e.time_zone, e.day_start)
$query$ USING since, until, first_journal, tags;
END $$;

-- Logs the double admissions among passages that are being tracked, given as parallel arrays. Call it before `presence`
-- moves: it compares with the previous passages of these persons, as `presence` holds them, instead of all scans of a
-- day. Handles only passages that come after all others of their person, as nearly all do. Marks the others as due, and
-- those of persons with a doubtful tag: their row in `presence` may be an admission annulled in this transaction.
CREATE FUNCTION tapline_internal.log_double_admissions(
    tags bigint[], times timestamptz[], logs uuid[], journals bigint[], seqs bigint[], directions smallint[], gates bigint[],
    doubtful_tags bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH event AS MATERIALIZED (
        SELECT * FROM tapline.event_settings
    ), new AS (
        SELECT t.attendee_id, n.*, true AS is_new
        FROM unnest(tags, times, logs, journals, seqs, directions, gates)
            AS n(tag_id, ordered_at, log, journal_id, seq, direction, gate_id)
        LEFT JOIN tapline.tags t ON t.tag_id = n.tag_id
    ), person_tags AS (
        SELECT t.tag_id FROM tapline.tags t WHERE t.attendee_id IN (SELECT attendee_id FROM new)
        UNION SELECT tag_id FROM new
    ), passages AS (
        SELECT * FROM new
        UNION ALL
        SELECT p.attendee_id, p.tag_id, p.ordered_at, p.log, p.journal_id, p.seq, p.direction, p.gate_id, false
        FROM tapline.presence p WHERE p.tag_id IN (SELECT tag_id FROM person_tags)
    ), ordered AS (
        SELECT p.*, g.zone_id, lag(p.direction) OVER person AS first_direction, lag(g.zone_id) OVER person AS first_zone_id,
            lag(p.gate_id) OVER person AS first_gate_id, lag(p.ordered_at) OVER person AS first_at,
            lag(p.tag_id) OVER person AS first_tag_id, lag(p.journal_id) OVER person AS first_journal_id,
            lag(p.seq) OVER person AS first_seq,
            bool_and(p.is_new) OVER (person RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS is_last,
            bool_or(p.tag_id = ANY (doubtful_tags)) OVER (
                PARTITION BY p.attendee_id, CASE WHEN p.attendee_id IS NULL THEN p.tag_id END) AS is_doubtful
        FROM passages p
        LEFT JOIN tapline.gates g ON g.id = p.gate_id
        WINDOW person AS (
            PARTITION BY p.attendee_id, CASE WHEN p.attendee_id IS NULL THEN p.tag_id END
            ORDER BY p.ordered_at, p.log, p.seq)
    ), due AS (
        INSERT INTO tapline_internal.double_admissions_due (instant, tag_id)
        SELECT o.ordered_at, o.tag_id FROM ordered o WHERE o.is_new AND (NOT o.is_last OR o.is_doubtful)
    )
    INSERT INTO tapline_internal.double_admission_log
    SELECT o.attendee_id, o.zone_id, o.first_gate_id, o.first_at, o.first_tag_id, o.first_journal_id, o.first_seq,
        o.gate_id, o.ordered_at, o.tag_id, o.journal_id, o.seq
    FROM ordered o CROSS JOIN event e
    WHERE o.is_new AND o.is_last AND NOT o.is_doubtful AND tapline_internal.is_double_admission(
        o.first_direction, o.first_zone_id, o.first_at, o.direction, o.zone_id, o.ordered_at, e.time_zone, e.day_start)
    ORDER BY o.journal_id, o.seq
    ON CONFLICT DO NOTHING;
END $$;

-- Compares the log with find_double_admissions for the event day of `instant`, or for all days for '-infinity', of all
-- people or of some tags. With `repair` it then corrects the log. Rows whose scans retention has dropped stay.
CREATE FUNCTION tapline_internal.refresh_double_admissions(
    instant timestamptz, repair boolean DEFAULT true, tags bigint[] DEFAULT NULL)
RETURNS TABLE (rows_right bigint, rows_missing bigint, rows_wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    since constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_start(instant) ELSE '-infinity' END;
    until constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_end(instant) ELSE 'infinity' END;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tapline_internal.double_admission_log'));
    -- Reads the log before the scans, so that a row that the tracker logs during the refresh is not removed.
    CREATE TEMP TABLE logged ON COMMIT DROP AS SELECT * FROM tapline_internal.double_admission_log o
        WHERE at >= since AND at < until AND (tags IS NULL OR tag_id = ANY (tags))
            AND tapline_internal.is_stored(o.journal_id, o.seq);
    CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM tapline_internal.find_double_admissions(since, until, tags);
    ANALYZE logged;
    ANALYZE found;
    SELECT count(*) FILTER (WHERE ROW(f.*) IS NOT DISTINCT FROM ROW(k.*)), count(*) FILTER (WHERE k.seq IS NULL),
        count(*) FILTER (WHERE k.seq IS NOT NULL AND ROW(f.*) IS DISTINCT FROM ROW(k.*))
    INTO rows_right, rows_missing, rows_wrong
    FROM logged k FULL JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq;
    IF repair AND rows_missing + rows_wrong > 0 THEN
        DELETE FROM tapline_internal.double_admission_log o USING (
            SELECT k.journal_id, k.seq FROM logged k LEFT JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq
            WHERE ROW(f.*) IS DISTINCT FROM ROW(k.*)) wrong
        WHERE o.journal_id = wrong.journal_id AND o.seq = wrong.seq;
        INSERT INTO tapline_internal.double_admission_log SELECT * FROM found ORDER BY journal_id, seq
        ON CONFLICT DO NOTHING;
    END IF;
    DROP TABLE found, logged;
    RETURN NEXT;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (8, 'double_admissions');
