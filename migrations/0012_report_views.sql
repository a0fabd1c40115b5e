-- Views for reports.

CREATE FUNCTION tapline.verdict_name(verdict smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE verdict
        WHEN 0 THEN 'admitted' WHEN 1 THEN 'unknown' WHEN 2 THEN 'blocked' WHEN 3 THEN 'no-access'
        WHEN 4 THEN 'outside-time' WHEN 5 THEN 'inside' WHEN 6 THEN 'no-snapshot' WHEN 7 THEN 'not-authentic'
        WHEN 8 THEN 'lost' WHEN 9 THEN 'void' WHEN 64 THEN 'annulled'
        WHEN 128 THEN 'lane normal' WHEN 129 THEN 'lane free' WHEN 130 THEN 'lane closed'
        WHEN 131 THEN 'reader lost' WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap'
        WHEN 134 THEN 'manual admission' ELSE 'verdict ' || verdict END
$$;

-- None for tag 0, which is no tag. A scan is annulled if a 64 follows it in its journal with no admission between.
-- Closed partitions are searched by their index, open ones by the filters of their runs. SECURITY DEFINER: readers have
-- no access to tapline_internal.
CREATE FUNCTION tapline.scans_of(tag bigint) RETURNS TABLE (
    journal_id bigint, seq bigint, tag_id bigint, scanned_at timestamptz, verdict smallint, flags smallint,
    gate_id bigint, snapshot_version bigint, received_at timestamptz, is_annulled boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 10000 ROWS 300 SET search_path = pg_catalog SET jit = off
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    open_since constant bigint := (SELECT coalesce(min(p.first_journal), 0) FROM tapline_internal.scan_partitions p
        WHERE p.closed_at IS NULL AND p.retired_at IS NULL);
BEGIN
    RETURN QUERY SELECT s.*, verdict = 0 AND coalesce(
        lead(verdict) OVER (PARTITION BY journal_id, verdict IN (0, 64) ORDER BY seq) = 64, false)
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
        WHERE tag <> 0) s;
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

CREATE VIEW tapline.lane_events AS
SELECT j.scanner_id, g.name AS gate,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS time,
    CASE s.verdict WHEN 128 THEN 'opened' WHEN 129 THEN 'free' WHEN 130 THEN 'closed' WHEN 131 THEN 'reader lost'
        WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap' ELSE 'manual admission' END AS event,
    s.note AS reason, a.name, nullif(s.tag_id, 0) AS tag_id, s.verdict, s.flags, s.gate_id, s.received_at, j.log,
    s.journal_id, s.seq
FROM (
    SELECT s.*, n.note FROM tapline.run_scans s
    LEFT JOIN tapline_internal.scan_notes n ON n.journal_id = s.journal_id AND n.seq = s.seq
    WHERE s.has_lane_events AND s.verdict BETWEEN 128 AND 134
    UNION ALL
    -- OFFSET 0 forces one index lookup for each note.
    SELECT s.*, n.note FROM tapline_internal.scan_notes n
    CROSS JOIN LATERAL (
        SELECT * FROM tapline.run_scans WHERE journal_id = n.journal_id AND first_seq BETWEEN n.seq - 511 AND n.seq
            AND last_seq >= n.seq AND seq = n.seq AND verdict = 0 OFFSET 0) s
) s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
ORDER BY time, j.log, s.seq;

INSERT INTO tapline.schema_migrations (version, name) VALUES (12, 'report_views');
