-- Tracking runs beside ingestion. Ingestion only queues the seqs it has stored. A tracker applies them within a second
-- to presence, annulments and flow. All three are pure functions of scans, tags and gates.

-- Stored scans that are not tracked yet, one row per run of seqs. The transaction that stores the scans inserts the
-- row, and the one that tracks them deletes it. So each scan is tracked exactly once, whichever process crashes in
-- between.
CREATE TABLE tapline_internal.tracking_queue (
    journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL CHECK (last_seq >= first_seq),
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    earliest timestamptz NOT NULL DEFAULT '-infinity',  -- no scan of the run is earlier
    PRIMARY KEY (journal_id, first_seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 100000);

-- Where each tag was last: its last passage. Written by the tracker. A row has only what the scan says; the view adds
-- what follows from the registry and the journal. The low fillfactor leaves room for the next versions of each row on
-- its page, so a move of a tag needs no index entry.
CREATE TABLE tapline_internal.tag_positions (
    tag_id bigint PRIMARY KEY,
    -- Position in the order of the tag's scans: (scan_time, log, seq). See contract.md section 4.
    ordered_at timestamptz NOT NULL,
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    gate_id bigint,
    direction smallint NOT NULL CHECK (direction IN (0, 1))
) WITH (fillfactor = 30);

-- A query that uses no column of a joined table does not read that table.
CREATE VIEW tapline.presence AS
SELECT p.tag_id, t.attendee_id, CASE p.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END AS zone_id,
    p.ordered_at AS since, j.scanner_id, p.gate_id, p.direction, p.ordered_at, j.log, p.seq, p.journal_id
FROM tapline_internal.tag_positions p
LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
LEFT JOIN tapline.gates g ON g.id = p.gate_id
LEFT JOIN tapline.journals j ON j.id = p.journal_id;

-- Admissions that a verdict 64 annulled.
CREATE TABLE tapline_internal.annulled (
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (journal_id, seq)
);

-- Counts per gate by the time of the tap. A slot starts at a whole minute. Scans tracked within two minutes of the tap
-- go to slots of ten seconds, so that the last minute is known to ten seconds.
CREATE TABLE tapline_internal.gate_flow (
    gate_id bigint NOT NULL,
    slot timestamptz NOT NULL,
    passed_in bigint NOT NULL DEFAULT 0,   -- admitted, not annulled, no inspection
    passed_out bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,     -- verdicts 1 to 63, no inspection
    annulled bigint NOT NULL DEFAULT 0,    -- verdict 64
    untapped bigint NOT NULL DEFAULT 0,    -- verdicts 133 and 134
    last_at timestamptz,                   -- time of the last tap
    PRIMARY KEY (gate_id, slot)
) WITH (fillfactor = 70);
CREATE INDEX gate_flow_slot ON tapline_internal.gate_flow (slot);

-- Instants in event days whose double admissions must be computed again: for the person of a tag and for an attendee, or
-- for all people where both are null. Written in the transaction that changes them.
CREATE TABLE tapline_internal.double_admissions_due (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instant timestamptz NOT NULL,
    tag_id bigint,
    attendee_id bigint
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A changed person or zone changes double admissions. A few changed tags mark their people. More of them, or a changed
-- gate or event day, mark the whole day, once for all of the transaction. The setting holds the transaction and the
-- number of its marks.
CREATE FUNCTION tapline_internal.mark_double_admissions_due() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tags_limit constant integer := 100;
    this constant text := pg_current_xact_id()::text;
    marked constant text := current_setting('tapline.marked_due', true);
    marks integer := CASE WHEN split_part(marked, ' ', 1) = this THEN split_part(marked, ' ', 2)::integer ELSE 0 END;
BEGIN
    IF marks > tags_limit THEN RETURN NULL; END IF;
    marks := CASE TG_TABLE_NAME WHEN 'tags' THEN marks + 1 ELSE tags_limit + 1 END;
    PERFORM set_config('tapline.marked_due', this || ' ' || marks, true);
    IF marks > tags_limit THEN
        INSERT INTO tapline_internal.double_admissions_due (instant) VALUES (now());
    ELSE
        INSERT INTO tapline_internal.double_admissions_due (instant, tag_id, attendee_id)
        SELECT DISTINCT now(), t.tag_id, t.attendee_id
        FROM (VALUES (OLD.tag_id, OLD.attendee_id), (NEW.tag_id, NEW.attendee_id)) AS t(tag_id, attendee_id)
        WHERE t.tag_id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_due AFTER INSERT OR DELETE OR UPDATE OF tag_id, attendee_id ON tapline.tags
    FOR EACH ROW EXECUTE FUNCTION tapline_internal.mark_double_admissions_due();
CREATE TRIGGER mark_due AFTER INSERT OR DELETE OR UPDATE OF id, zone_id, from_zone_id ON tapline.gates
    FOR EACH ROW EXECUTE FUNCTION tapline_internal.mark_double_admissions_due();
CREATE TRIGGER mark_due AFTER INSERT OR DELETE OR UPDATE OF time_zone, day_start ON tapline.event
    FOR EACH ROW EXECUTE FUNCTION tapline_internal.mark_double_admissions_due();

-- A verdict 64 annuls the nearest earlier verdict-0 scan of its tag in its journal, nearly always one or two seqs
-- before. The settings make the planner walk the index backwards instead of sorting a journal.
CREATE FUNCTION tapline_internal.annulled_seq(journal bigint, annulment bigint, tag bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET enable_bitmapscan = off SET enable_sort = off SET enable_seqscan = off AS $$
DECLARE
    run record;
    found bigint;
BEGIN
    FOR run IN SELECT first_seq, tags, verdicts FROM tapline_internal.scan_runs
        WHERE journal_id = journal AND first_seq < annulment AND tapline_internal.may_hold(tag_filter, tag)
        ORDER BY first_seq DESC
    LOOP
        SELECT max(run.first_seq + place - 1) INTO found FROM unnest(run.tags) WITH ORDINALITY AS t(tag_id, place)
        WHERE tag_id = tag AND run.first_seq + place - 1 < annulment
            AND get_byte(run.verdicts, ((place - 1) % octet_length(run.verdicts))::integer) = 0;
        IF found IS NOT NULL THEN RETURN found; END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The same of whole journals: the admissions that an annulment follows among the admissions and annulments of their
-- tag. A void annulment annuls nothing. The planner expects far too few unnested scans, so nested loops are off.
-- Parallel workers are off, because each unnested scan would be sent with its whole run.
CREATE FUNCTION tapline_internal.annulled_of(journals bigint[]) RETURNS TABLE (journal_id bigint, seq bigint)
LANGUAGE sql STABLE SET enable_nestloop = off SET max_parallel_workers_per_gather = 0 AS $$
    SELECT w.journal_id, w.seq
    FROM (
        SELECT s.journal_id, s.seq, s.verdict,
            lead(s.verdict) OVER (PARTITION BY s.journal_id, s.tag_id ORDER BY s.seq) AS following
        FROM tapline_internal.stored_scans s
        WHERE s.journal_id = ANY (journals) AND s.verdict IN (0, 64) AND s.tag_id <> 0
            AND (s.verdict = 0 OR NOT EXISTS (SELECT FROM tapline_internal.void_journals v
                WHERE v.journal_id = s.journal_id AND s.received_at >= v.since AND s.received_at < v.until))
            AND (s.journal_id, s.tag_id) IN (
                SELECT a.journal_id, a.tag_id FROM tapline_internal.stored_scans a
                WHERE a.journal_id = ANY (journals) AND a.has_annulments AND a.verdict = 64)
    ) w
    WHERE w.verdict = 0 AND w.following = 64
$$;

-- Scans that moved a person: admitted, not annulled, not void, no inspection. (`<> 16` instead of `= 0`: the planner
-- estimates an equality as rare.)
CREATE VIEW tapline_internal.passages AS
SELECT s.journal_id, s.seq, s.tag_id, s.gate_id, s.flags & 1 AS direction, s.flags, s.scanned_at, s.received_at,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS ordered_at, s.earliest, s.latest,
    s.tag_filter
FROM tapline_internal.stored_scans s
WHERE s.verdict = 0 AND s.flags & 16 <> 16 AND s.tag_id <> 0
    AND NOT EXISTS (
        SELECT FROM tapline_internal.annulled x WHERE x.journal_id = s.journal_id AND x.seq = s.seq)
    AND NOT EXISTS (
        SELECT FROM tapline_internal.void_journals v
        WHERE v.journal_id = s.journal_id AND s.received_at >= v.since AND s.received_at < v.until);

-- Each scan as counts of flow; null if it is void. rebuild_tracking sums them; the tracker counts the same in memory.
CREATE VIEW tapline_internal.scan_flow AS
SELECT s.journal_id, s.seq, s.gate_id, s.at, s.verdict,
    (s.verdict = 0 AND s.flags & 17 = 0 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_in,
    (s.verdict = 0 AND s.flags & 17 = 1 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_out,
    (s.verdict BETWEEN 1 AND 63 AND s.flags & 16 = 0)::int AS refused,
    (s.verdict = 64)::int AS annulled, (s.verdict IN (133, 134))::int AS untapped,
    CASE WHEN s.verdict < 128 THEN s.at END AS tapped_at
FROM (
    SELECT c.journal_id, seq, tag_id, flags, gate_id, CASE WHEN v.journal_id IS NULL THEN verdict END AS verdict,
        tapline.scan_time(c.journal_id, seq, flags, scanned_at, received_at) AS at
    FROM tapline.scans c LEFT JOIN tapline_internal.void_journals v
        ON v.journal_id = c.journal_id AND c.received_at >= v.since AND c.received_at < v.until) s
LEFT JOIN tapline_internal.annulled x ON x.journal_id = s.journal_id AND x.seq = s.seq
WHERE s.gate_id IS NOT NULL;

INSERT INTO tapline.schema_migrations (version, name) VALUES (7, 'tracking');
