-- Views for reports and for operating the center, and the reader role. The columns are described in
-- 0010_live_view_comments.sql and 0011_report_view_comments.sql.

CREATE FUNCTION tapline.verdict_name(verdict smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE verdict
        WHEN 0 THEN 'admitted' WHEN 1 THEN 'unknown' WHEN 2 THEN 'blocked' WHEN 3 THEN 'no-access'
        WHEN 4 THEN 'outside-time' WHEN 5 THEN 'inside' WHEN 6 THEN 'no-snapshot' WHEN 7 THEN 'not-authentic'
        WHEN 8 THEN 'lost' WHEN 9 THEN 'void' WHEN 64 THEN 'annulled'
        WHEN 128 THEN 'lane normal' WHEN 129 THEN 'lane free' WHEN 130 THEN 'lane closed'
        WHEN 131 THEN 'reader lost' WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap'
        WHEN 134 THEN 'manual admission' ELSE 'verdict ' || verdict END
$$;

-- A scan is annulled if a 64 follows it in its journal with no admission between. Bitmap scans only, because the
-- planner does not know how many block ranges a bloom filter excludes.
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

CREATE VIEW tapline.delegate_track AS
SELECT a.id AS attendee_id, a.name, a.external_ref,
    tapline_internal.event_day(s.ordered_at, e.time_zone, e.day_start) AS day,
    s.ordered_at AS time, g.name AS gate,
    CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,
    CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
    s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
    s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AS counts,
    s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log, s.journal_id,
    s.seq
FROM tapline.attendees a
JOIN tapline.tags t ON t.attendee_id = a.id
CROSS JOIN LATERAL (SELECT *, least(scanned_at, received_at) AS ordered_at FROM tapline.scans_of(t.tag_id)) s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
CROSS JOIN tapline.event_settings e
ORDER BY a.id, s.ordered_at, j.log, s.seq;

CREATE VIEW tapline.double_admissions AS
SELECT w.attendee_id, a.name, a.external_ref, w.zone_id, z.name AS zone,
    w.first_gate_id, g1.name AS first_gate, w.first_at, j1.scanner_id AS first_scanner_id,
    w.gate_id AS second_gate_id, g2.name AS second_gate, w.at AS second_at, j2.scanner_id AS second_scanner_id,
    w.at - w.first_at AS apart, w.first_tag_id, w.tag_id AS second_tag_id,
    w.first_journal_id, w.first_seq, w.journal_id AS second_journal_id, w.seq AS second_seq
FROM tapline_internal.double_admission_log w
LEFT JOIN tapline.attendees a ON a.id = w.attendee_id
JOIN tapline.zones z ON z.id = w.zone_id
LEFT JOIN tapline.gates g1 ON g1.id = w.first_gate_id
LEFT JOIN tapline.gates g2 ON g2.id = w.gate_id
JOIN tapline.journals j1 ON j1.id = w.first_journal_id
JOIN tapline.journals j2 ON j2.id = w.journal_id;

CREATE VIEW tapline.seq_gaps AS
SELECT j.scanner_id, j.log, g.journal_id, g.first_seq, g.last_seq, g.last_seq - g.first_seq + 1 AS missing,
    'gap' AS kind, j.last_received_at
FROM tapline_internal.journal_gaps g JOIN tapline.journals j ON j.id = g.journal_id
WHERE g.accepted_at IS NULL
UNION ALL
SELECT scanner_id, log, id, greatest(last_seq, accepted_seq) + 1, announced_seq,
    announced_seq - greatest(last_seq, accepted_seq), 'tail', last_received_at
FROM tapline.journals
WHERE announced_seq > greatest(last_seq, accepted_seq);

CREATE VIEW tapline.ingest_balance AS
SELECT j.id AS journal_id, j.scanner_id, j.log, j.received, j.stored, j.duplicates, j.conflicts, j.last_seq,
    coalesce(g.missing, 0)::bigint AS missing,
    j.received = j.stored + j.duplicates + j.conflicts AND j.stored = j.last_seq - coalesce(g.missing, 0) AS balanced,
    j.last_received_at
FROM tapline.journals j
LEFT JOIN (
    SELECT journal_id, sum(last_seq - first_seq + 1) AS missing FROM tapline_internal.journal_gaps GROUP BY journal_id
) g ON g.journal_id = j.id;

CREATE VIEW tapline.scanner_health AS
SELECT l.scanner_id, l.enabled, g.name AS gate, l.silent, l.last_received_at, now() - l.last_received_at AS silence,
    l.backlog, l.snapshot_version,
    now() - coalesce(s.created_at, CASE WHEN l.snapshot_version > 0 THEN to_timestamp(l.snapshot_version) END)
        AS snapshot_age,
    coalesce(l.snapshot_version < (SELECT max(version) FROM tapline.snapshots), false) AS snapshot_outdated,
    l.clock_skew, coalesce(abs(extract(epoch FROM l.clock_skew)) > 300, false) AS clock_wrong,
    -- A faulty device may claim 2^53 scans in each of its journals. The limit keeps the view from failing on overflow.
    least(coalesce(gaps.missing, 0), 9007199254740991)::bigint AS gaps, coalesce(sums.stored, 0)::bigint AS stored,
    coalesce(sums.duplicates, 0)::bigint AS duplicates, coalesce(sums.conflicts, 0)::bigint AS conflicts,
    coalesce(q.batches, 0)::bigint AS quarantined, l.state, l.log, l.journal_id
FROM tapline.scanner_overview l
LEFT JOIN tapline.gates g ON g.id = l.gate_id
LEFT JOIN tapline.snapshots s ON s.version = l.snapshot_version
LEFT JOIN (SELECT scanner_id, sum(missing) AS missing FROM tapline.seq_gaps GROUP BY scanner_id) gaps
    ON gaps.scanner_id = l.scanner_id
LEFT JOIN (
    SELECT scanner_id, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts
    FROM tapline.journals GROUP BY scanner_id
) sums ON sums.scanner_id = l.scanner_id
LEFT JOIN (
    SELECT scanner_id, count(*) AS batches FROM tapline.quarantine WHERE scanner_id IS NOT NULL GROUP BY scanner_id
) q ON q.scanner_id = l.scanner_id
ORDER BY l.scanner_id;

CREATE VIEW tapline.scan_partition_state AS
SELECT p.name, p.first_journal, p.end_journal, p.created_at, p.closed_at, p.retired_at,
    p.end_journal <= (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM tapline.journals_id_seq)
        AS is_full,
    coalesce(j.journals, 0) AS journals, coalesce(j.scans, 0)::bigint AS scans, j.heard_at,
    coalesce(j.unfinished, 0) AS unfinished, j.unfinished_heard_at,
    coalesce(j.unfinished_backlog, 0)::bigint AS unfinished_backlog,
    coalesce(j.gaps, 0)::bigint AS gaps, pg_total_relation_size(c.oid) AS bytes
FROM tapline_internal.scan_partitions p
LEFT JOIN pg_class c ON c.relname = p.name AND c.relnamespace = 'tapline_internal'::regnamespace
LEFT JOIN (
    SELECT q.first_journal, count(*) AS journals, sum(e.stored) FILTER (WHERE e.retired_seq = 0) AS scans,
        max(e.last_received_at) AS heard_at,
        count(*) FILTER (WHERE e.id = newest.id) AS unfinished,
        max(e.last_received_at) FILTER (WHERE e.id = newest.id) AS unfinished_heard_at,
        sum(e.backlog) FILTER (WHERE e.id = newest.id) AS unfinished_backlog, sum(open.gaps) AS gaps
    FROM tapline_internal.scan_partitions q
    JOIN tapline.journals e ON e.id >= q.first_journal AND e.id < q.end_journal
    JOIN (SELECT scanner_id, max(id) AS id FROM tapline.journals GROUP BY scanner_id) newest
        ON newest.scanner_id = e.scanner_id
    LEFT JOIN (SELECT journal_id, count(*) AS gaps FROM tapline.seq_gaps GROUP BY journal_id) open
        ON open.journal_id = e.id
    GROUP BY q.first_journal
) j ON j.first_journal = p.first_journal
ORDER BY p.first_journal;

-- Read access to the public schema, for dashboards and analysts: GRANT tapline_reader TO alice. Roles belong to the
-- whole cluster, so the migration of another database may create it at the same time.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tapline_reader') THEN
        CREATE ROLE tapline_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role tapline_reader not created: the migrating user may not create roles'
            USING HINT = 'Create it as a superuser; then grant USAGE on schema tapline and SELECT on its tables to it.';
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tapline_reader') THEN
        GRANT USAGE ON SCHEMA tapline TO tapline_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA tapline TO tapline_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA tapline GRANT SELECT ON TABLES TO tapline_reader;  -- of later migrations
    END IF;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (7, 'report_views');
