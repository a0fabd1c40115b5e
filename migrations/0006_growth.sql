-- Growth: smaller partitions of the scans, made ahead, closed when their journals are over, dropped when they are old; and a
-- person's way out of millions of scans.

-- Scans up to retired_seq were dropped by retention: what comes again of them is a duplicate, although nothing is stored.
ALTER TABLE tapline.journals
    ADD COLUMN retired_seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN retired_at timestamptz;

-- The partitions of tapline.scans. Whatever stands here, a late scan of an old journal finds its place.
CREATE TABLE tapline.scan_partitions (
    first_journal bigint PRIMARY KEY,
    end_journal bigint NOT NULL CHECK (end_journal > first_journal),  -- the first beyond
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    summarised_blocks bigint NOT NULL DEFAULT 0,  -- so far the center has summarised scans_blocks
    closed_at timestamptz,  -- since then indexed by tag, frozen and vacuumed as any table
    retired_at timestamptz  -- since then without its scans: holds what came later
);

-- One index of block ranges: "since the day's start", and which ranges may hold a tag. An insert pays for it what it paid for
-- received_at alone, for it never meets a summarised range: the center summarises behind the writers. Four pages hold about
-- 350 scans; larger ranges read more rows for each scan that is looked for.
DROP INDEX tapline.scans_received;
CREATE INDEX scans_blocks ON tapline.scans
    USING brin (received_at, tag_id int8_bloom_ops (n_distinct_per_range = 360, false_positive_rate = 0.001))
    WITH (pages_per_range = 4);

-- Makes the partition of a journal, where there is none; gives the first journal beyond it. ATTACH, not CREATE ... PARTITION
-- OF: it waits for no reader and no COPY, and stops none. No autovacuum while it is open: it would read every page again, and
-- keep the center from summarising; closing does it once.
DROP FUNCTION tapline.ensure_scan_partition(bigint);
CREATE FUNCTION tapline.ensure_scan_partition(journal bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    span constant bigint := 2000;  -- about a day of 1,000 scanners
    first bigint;
    beyond bigint;
BEGIN
    SELECT end_journal INTO beyond FROM tapline.scan_partitions WHERE first_journal <= journal AND end_journal > journal;
    IF FOUND THEN RETURN beyond; END IF;
    PERFORM pg_advisory_xact_lock(hashtext('tapline.scans partition'));
    SELECT end_journal INTO beyond FROM tapline.scan_partitions WHERE first_journal <= journal AND end_journal > journal;
    IF FOUND THEN RETURN beyond; END IF;
    SELECT greatest(journal / span * span, max(end_journal) FILTER (WHERE end_journal <= journal)),
        least((journal / span + 1) * span, min(first_journal) FILTER (WHERE first_journal > journal))
        INTO first, beyond FROM tapline.scan_partitions;
    PERFORM tapline.make_scan_partition(first, beyond);
    RETURN beyond;
END $$;

CREATE FUNCTION tapline.make_scan_partition(first bigint, beyond bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name constant text := format('scans_%s_%s', first, beyond - 1);
BEGIN
    EXECUTE format('CREATE TABLE tapline.%I (LIKE tapline.scans INCLUDING ALL) WITH (autovacuum_enabled = off)', name);
    EXECUTE format('ALTER TABLE tapline.scans ATTACH PARTITION tapline.%I FOR VALUES FROM (%s) TO (%s)', name, first, beyond);
    INSERT INTO tapline.scan_partitions (first_journal, end_journal, name) VALUES (first, beyond, name);
END $$;

-- With each journal its partition and the next. The center keeps one more ahead, so that the ingest finds both.
CREATE OR REPLACE FUNCTION tapline.ensure_scan_partitions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tapline.ensure_scan_partition(tapline.ensure_scan_partition(NEW.id));
    RETURN NULL;
END $$;

-- What there is of partitions stays as it is; a schema without a journal begins anew.
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT relname AS name, substr(relname, 7)::bigint AS number FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = 'tapline.scans'::regclass
    LOOP
        IF EXISTS (SELECT FROM tapline.journals) THEN
            EXECUTE format('ALTER TABLE tapline.%I SET (autovacuum_enabled = off)', old.name);
            INSERT INTO tapline.scan_partitions (first_journal, end_journal, name)
            VALUES (old.number * 10000, (old.number + 1) * 10000, old.name);
        ELSE
            EXECUTE format('DROP TABLE tapline.%I', old.name);
        END IF;
    END LOOP;
END $$;
SELECT tapline.ensure_scan_partition(tapline.ensure_scan_partition(0));

-- Gives the journals to come the next partition, when the present one is a day old and large, or a week old. The ids between
-- are used up one by one, so that whoever takes one meanwhile gets his own.
CREATE FUNCTION tapline.turn_scan_partition() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    sequence constant regclass := pg_get_serial_sequence('tapline.journals', 'id');
    large constant bigint := 1000000;  -- scans
    last bigint;
    beyond bigint;
BEGIN
    EXECUTE format('SELECT last_value FROM %s WHERE is_called', sequence) INTO last;
    SELECT p.end_journal INTO beyond FROM tapline.scan_partitions p
    JOIN tapline.journals j ON j.id >= p.first_journal AND j.id < p.end_journal
    WHERE p.first_journal <= last AND p.end_journal > last + 1
    GROUP BY p.end_journal
    HAVING min(j.first_received_at) < now() - interval '7 days'
        OR min(j.first_received_at) < now() - interval '1 day' AND sum(j.stored) >= large;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM tapline.ensure_scan_partition(beyond);
    PERFORM count(nextval(sequence)) FROM generate_series(last + 1, beyond - 1);
    RETURN true;
END $$;

-- Each partition with its journals. `unfinished`: journals that no newer one of their scanner follows; they may still grow.
CREATE VIEW tapline.scan_partition_state AS
SELECT p.name, p.first_journal, p.end_journal, p.created_at, p.closed_at, p.retired_at,
    -- Every id in it is given away.
    p.end_journal <= (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM tapline.journals_id_seq) AS is_full,
    coalesce(j.journals, 0) AS journals, coalesce(j.scans, 0)::bigint AS scans, j.heard_at,
    coalesce(j.unfinished, 0) AS unfinished, j.unfinished_heard_at, coalesce(j.unfinished_backlog, 0)::bigint AS unfinished_backlog,
    coalesce(j.gaps, 0)::bigint AS gaps, pg_total_relation_size(c.oid) AS bytes
FROM tapline.scan_partitions p
LEFT JOIN pg_class c ON c.oid = to_regclass(format('tapline.%I', p.name))
LEFT JOIN (
    SELECT q.first_journal, count(*) AS journals, sum(e.stored) FILTER (WHERE e.retired_seq = 0) AS scans,
        max(e.last_received_at) AS heard_at,
        count(*) FILTER (WHERE e.id = newest.id) AS unfinished,
        max(e.last_received_at) FILTER (WHERE e.id = newest.id) AS unfinished_heard_at,
        sum(e.backlog) FILTER (WHERE e.id = newest.id) AS unfinished_backlog, sum(open.gaps) AS gaps
    FROM tapline.scan_partitions q
    JOIN tapline.journals e ON e.id >= q.first_journal AND e.id < q.end_journal
    JOIN (SELECT scanner_id, max(id) AS id FROM tapline.journals GROUP BY scanner_id) newest
        ON newest.scanner_id = e.scanner_id
    LEFT JOIN (SELECT journal_id, count(*) AS gaps FROM tapline.seq_gaps GROUP BY journal_id) open
        ON open.journal_id = e.id
    GROUP BY q.first_journal
) j ON j.first_journal = p.first_journal
ORDER BY p.first_journal;
COMMENT ON VIEW tapline.scan_partition_state IS 'Partitions of the scans: open, closed or retired, and what holds them';

-- A tag's scans, and which of them were annulled: followed in their journal by a 64, with no admission between. Bitmap scans
-- only: the planner does not know what a bloom filter spares.
CREATE FUNCTION tapline.scans_of(tag bigint) RETURNS TABLE (
    journal_id bigint, seq bigint, tag_id bigint, scanned_at timestamptz, verdict smallint, flags smallint, gate_id bigint,
    snapshot_version bigint, received_at timestamptz, is_annulled boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000 ROWS 300
SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off SET jit = off
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT *, verdict = 0 AND coalesce(
        lead(verdict) OVER (PARTITION BY journal_id, verdict IN (0, 64) ORDER BY seq) = 64, false)
    FROM tapline.scans WHERE tag_id = tag;
END $$;

-- As before, but only the scans of those who are asked for are looked at.
CREATE OR REPLACE VIEW tapline.delegate_track AS
SELECT a.id AS attendee_id, a.name, a.external_ref,
    ((s.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date AS day,
    s.ordered_at AS time, g.name AS gate,
    CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,  -- where it leads; null: off site
    CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
    s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
    s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AS counts,  -- moved the person: not annulled, no inspection
    s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log, s.journal_id,
    s.seq
FROM tapline.attendees a
JOIN tapline.tags t ON t.attendee_id = a.id
CROSS JOIN LATERAL (SELECT *, least(scanned_at, received_at) AS ordered_at FROM tapline.scans_of(t.tag_id)) s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
CROSS JOIN (
    SELECT coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start
    FROM tapline.event
) e
ORDER BY a.id, s.ordered_at, j.log, s.seq;

INSERT INTO tapline.schema_migrations (version, name) VALUES (6, 'growth');
