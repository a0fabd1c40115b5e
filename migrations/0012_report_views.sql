-- Views for reports.

-- Inlined. The cast is needed for it: `text || smallint` is not immutable.
CREATE FUNCTION tapline.verdict_name(verdict smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE verdict
        WHEN 0 THEN 'admitted' WHEN 1 THEN 'unknown' WHEN 2 THEN 'blocked' WHEN 3 THEN 'no-access'
        WHEN 4 THEN 'outside-time' WHEN 5 THEN 'inside' WHEN 6 THEN 'no-snapshot' WHEN 7 THEN 'not-authentic'
        WHEN 8 THEN 'lost' WHEN 9 THEN 'void' WHEN 64 THEN 'annulled'
        WHEN 128 THEN 'lane normal' WHEN 129 THEN 'lane free' WHEN 130 THEN 'lane closed'
        WHEN 131 THEN 'reader lost' WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap'
        WHEN 134 THEN 'manual admission' ELSE 'verdict ' || verdict::text END
$$;

-- None for tag 0, which is no tag. A scan is annulled if a 64 that is not void follows it in its journal with no
-- admission between. Closed partitions are searched by their index, open ones by the filters of their runs. The high random_page_cost makes
-- the planner read open ones in the order of the table: it does not know that all their runs are wanted. SECURITY
-- DEFINER: readers have no access to tapline_internal.
CREATE FUNCTION tapline.scans_of(tag bigint) RETURNS TABLE (
    journal_id bigint, seq bigint, tag_id bigint, scanned_at timestamptz, verdict smallint, flags smallint,
    gate_id bigint, snapshot_version bigint, received_at timestamptz, is_annulled boolean,
    is_void boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 10000 ROWS 300 SET search_path = pg_catalog, pg_temp SET jit = off
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan SET random_page_cost = 8 AS $$
#variable_conflict use_column
DECLARE
    open_since constant bigint := (SELECT coalesce(min(p.first_journal), 0) FROM tapline_internal.scan_partitions p
        WHERE p.closed_at IS NULL AND p.retired_at IS NULL);
    has_voids constant boolean := EXISTS (SELECT FROM tapline_internal.void_spans);
BEGIN
    RETURN QUERY SELECT v.journal_id, v.seq, v.tag_id, v.scanned_at, v.verdict, v.flags, v.gate_id, v.snapshot_version,
        v.received_at, verdict = 0 AND coalesce(lead(verdict) OVER (
            PARTITION BY journal_id, verdict = 0 OR verdict = 64 AND NOT v.is_void ORDER BY seq) = 64, false), v.is_void
    FROM (SELECT s.*, has_voids AND EXISTS (SELECT FROM tapline_internal.void_journals j
            WHERE j.journal_id = s.journal_id AND s.received_at >= j.since AND s.received_at < j.until) AS is_void
    FROM (
        SELECT r.journal_id, r.first_seq + place - 1 AS seq, tag AS tag_id,
            r.base + r.at_ms[place] * interval '1 millisecond' AS scanned_at,
            get_byte(r.verdicts, (place - 1) % octet_length(r.verdicts))::smallint AS verdict,
            get_byte(r.flags, (place - 1) % octet_length(r.flags))::smallint AS flags, r.gate_id, r.snapshot_version,
            r.received_at + coalesce(r.received_us[place], 0) * interval '1 microsecond' AS received_at
        FROM (
            SELECT * FROM tapline_internal.scan_runs
            WHERE journal_id >= open_since AND tapline_internal.may_hold(tag_filter, tag)
            UNION ALL
            SELECT * FROM tapline_internal.scan_runs WHERE journal_id < open_since AND tags @> ARRAY[tag]) r
        CROSS JOIN LATERAL unnest(array_positions(r.tags, tag)) AS place
        WHERE tag <> 0 OFFSET 0) s) v;  -- OFFSET: sorts single values, not the columns of runs
END $$;

CREATE VIEW tapline.delegate_track AS
SELECT a.id AS attendee_id, a.name, a.external_ref,
    tapline_internal.event_day(s.ordered_at, e.time_zone, e.day_start) AS day,
    s.ordered_at AS time, g.name AS gate,
    CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,
    CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
    s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
    s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AND NOT s.is_void AS counts,
    s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log, s.journal_id,
    s.seq, s.is_void
FROM tapline.attendees a
JOIN tapline.tags t ON t.attendee_id = a.id
CROSS JOIN LATERAL (
    SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS ordered_at
    FROM tapline.scans_of(t.tag_id)) s
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
    w.first_journal_id, w.first_seq, w.journal_id AS second_journal_id, w.seq AS second_seq,
    -- One range for all rows.
    NOT coalesce(tstzrange(w.first_at, w.at, '[]') && (
        SELECT range_agg(tstzrange(since, until, '[]')) FROM tapline.unsettled_spans), false) AS settled
FROM tapline_internal.double_admission_log w
LEFT JOIN tapline.attendees a ON a.id = w.attendee_id
JOIN tapline.zones z ON z.id = w.zone_id
LEFT JOIN tapline.gates g1 ON g1.id = w.first_gate_id
LEFT JOIN tapline.gates g2 ON g2.id = w.gate_id
JOIN tapline.journals j1 ON j1.id = w.first_journal_id
JOIN tapline.journals j2 ON j2.id = w.journal_id;

-- Lane events and manual admissions with a reason: a copy of the few scans that the view shows, by receipt. Runs hold the
-- receipt of single scans out of the reach of an index. Written in the transaction that stores the scan or its reason.
-- Retention drops the rows with their scans.
CREATE TABLE tapline_internal.lane_event_log (
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    tag_id bigint NOT NULL,
    scanned_at timestamptz NOT NULL,
    verdict smallint NOT NULL,
    flags smallint NOT NULL,
    gate_id bigint,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX lane_event_log_received ON tapline_internal.lane_event_log (received_at);
COMMENT ON TABLE tapline_internal.lane_event_log IS 'Scans that tapline.lane_events shows';

-- A joined run repeats events that are logged. The condition of the trigger is tested without a call, for each run. The
-- loop leaves out the usual verdicts at both ends of a run: it costs more than all else.
CREATE FUNCTION tapline_internal.log_lane_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    usual constant bytea := '\x0001020304050607080940';
    scans constant integer := NEW.last_seq - NEW.first_seq + 1;
    width constant integer := octet_length(NEW.verdicts);
BEGIN
    INSERT INTO tapline_internal.lane_event_log
    SELECT NEW.journal_id, NEW.first_seq + i, NEW.tags[i + 1], NEW.base + NEW.at_ms[i + 1] * interval '1 millisecond',
        get_byte(NEW.verdicts, i % width), get_byte(NEW.flags, i % octet_length(NEW.flags)), NEW.gate_id,
        NEW.received_at + coalesce(NEW.received_us[i + 1], 0) * interval '1 microsecond'
    FROM generate_series(width - octet_length(ltrim(NEW.verdicts, usual)),
        scans - width + octet_length(rtrim(NEW.verdicts, usual)) - 1) AS i
    WHERE get_byte(NEW.verdicts, i % width) BETWEEN 128 AND 134
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER log_lane_events AFTER INSERT ON tapline_internal.scan_runs FOR EACH ROW WHEN (NEW.has_lane_events)
    EXECUTE FUNCTION tapline_internal.log_lane_events();

-- A reason is stored after its scan.
CREATE FUNCTION tapline_internal.log_manual_admission() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tapline_internal.lane_event_log
    SELECT s.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags, s.gate_id, s.received_at
    FROM tapline_internal.scan_at(NEW.journal_id, NEW.seq) s WHERE s.verdict = 0
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER log_manual_admission AFTER INSERT ON tapline_internal.scan_notes FOR EACH ROW
    EXECUTE FUNCTION tapline_internal.log_manual_admission();

CREATE VIEW tapline.lane_events AS
SELECT j.scanner_id, g.name AS gate,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS time,
    CASE s.verdict WHEN 128 THEN 'opened' WHEN 129 THEN 'free' WHEN 130 THEN 'closed' WHEN 131 THEN 'reader lost'
        WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap' ELSE 'manual admission' END AS event,
    n.note AS reason, a.name, nullif(s.tag_id, 0) AS tag_id, s.verdict, s.flags, s.gate_id, s.received_at, j.log,
    s.journal_id, s.seq
FROM tapline_internal.lane_event_log s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline_internal.scan_notes n ON n.journal_id = s.journal_id AND n.seq = s.seq
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
ORDER BY time, j.log, s.seq;

INSERT INTO tapline.schema_migrations (version, name) VALUES (12, 'report_views');
