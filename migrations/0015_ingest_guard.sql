-- Guards of the ingestion: counted heartbeats, announced tails, warnings about the broker, settled double admissions.

-- Heartbeats that cannot be stored hold no scan, and a removed scanner sends one every 15 s. Those of one routing key
-- and reason share a row.
ALTER TABLE tapline.quarantine ADD COLUMN is_heartbeat boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN tapline.quarantine.is_heartbeat IS
    'Whether the row counts heartbeats, which hold no scan: one row per routing_key and reason, with the newest body';
COMMENT ON TABLE tapline.quarantine IS
    'Batches that could not be stored, each (routing_key, reason, sha256) once, and heartbeats, each (routing_key, '
    'reason) once. See `tapline-center quarantine`';
-- Rows from before this migration: a body with the empty columns `at` and `tag` holds no scan.
UPDATE tapline.quarantine SET is_heartbeat = true
WHERE reason IN ('unknown-scanner', 'disabled-scanner', 'identity')
    AND position('\x626174d84e40'::bytea IN body) > 0 AND position('\x63746167d84f40'::bytea IN body) > 0;
UPDATE tapline.quarantine q SET times = s.times, received_at = s.received_at, last_received_at = s.last_received_at
FROM (
    SELECT max(id) AS id, sum(times)::bigint AS times, min(received_at) AS received_at,
        max(last_received_at) AS last_received_at
    FROM tapline.quarantine WHERE is_heartbeat GROUP BY routing_key, reason
) s WHERE s.id = q.id;
DELETE FROM tapline.quarantine q WHERE is_heartbeat AND EXISTS (
    SELECT FROM tapline.quarantine n WHERE n.is_heartbeat AND n.routing_key = q.routing_key AND n.reason = q.reason
        AND n.id > q.id);
ALTER TABLE tapline.quarantine DROP CONSTRAINT quarantine_routing_key_reason_sha256_key;
CREATE UNIQUE INDEX quarantine_batch ON tapline.quarantine (routing_key, reason, sha256) WHERE NOT is_heartbeat;
CREATE UNIQUE INDEX quarantine_heartbeat ON tapline.quarantine (routing_key, reason) WHERE is_heartbeat;
CREATE OR REPLACE VIEW tapline_internal.quarantined AS
SELECT scanner_id, count(*) AS batches FROM tapline.quarantine WHERE scanner_id IS NOT NULL AND NOT is_heartbeat
GROUP BY scanner_id;
COMMENT ON COLUMN tapline.scanner_health.quarantined IS 'Batches of the scanner in quarantine, without heartbeats';

-- A heartbeat announces the last published seq as well, so a lost tail shows before the scanner's next journal.
COMMENT ON COLUMN tapline.journals.announced_seq IS
    'Last seq of this journal that the scanner has published, as a heartbeat or its next journal announced it; 0: not '
    'announced';
COMMENT ON COLUMN tapline.seq_gaps.kind IS
    '`gap`: later scans have arrived; `tail`: the end of a journal, announced by a heartbeat or by the next journal';

-- The last check of the broker by any center.
CREATE TABLE tapline_internal.broker_check (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at timestamptz NOT NULL DEFAULT now(),
    canary_placed_at timestamptz,
    canary_lost_after interval
);
CREATE TABLE tapline_internal.broker_warning (
    queue text NOT NULL,
    warning text NOT NULL,
    PRIMARY KEY (queue, warning)
);
CREATE VIEW tapline.broker_warnings AS
SELECT w.queue, w.warning, c.checked_at
FROM tapline_internal.broker_warning w CROSS JOIN tapline_internal.broker_check c
ORDER BY w.queue, w.warning;
COMMENT ON VIEW tapline.broker_warnings IS
    'Signs that the broker removes confirmed scans, by the last check. A center checks at its start and each hour';
COMMENT ON COLUMN tapline.broker_warnings.queue IS 'Name of the queue';
COMMENT ON COLUMN tapline.broker_warnings.warning IS 'What was found';
COMMENT ON COLUMN tapline.broker_warnings.checked_at IS 'Time of the check';

-- Spans of time in which scans are known, or must be assumed, to be missing from the figures. A lane reports in the
-- order of its journals, so what it has not delivered is later than what it has. OFFSET 0 forces an index lookup for
-- each scan, whatever the planner estimates for the number of scans.
CREATE VIEW tapline.unsettled_spans AS
WITH lanes AS MATERIALIZED (
    SELECT l.scanner_id, tapline.day_start(l.last_received_at) AS day,
        CASE WHEN l.backlog > 0 THEN coalesce(stored.at, '-infinity') ELSE l.last_received_at END AS since
    FROM tapline.scanner_overview l
    LEFT JOIN LATERAL (
        -- Retention may have dropped the scan.
        SELECT coalesce(tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at), j.retired_at) AS at
        FROM (SELECT id, last_seq, retired_at FROM tapline.journals WHERE scanner_id = l.scanner_id AND last_seq > 0
            ORDER BY last_received_at DESC, id DESC LIMIT 1) j
        LEFT JOIN LATERAL (
            SELECT * FROM tapline.scans WHERE journal_id = j.id AND seq = j.last_seq OFFSET 0) s ON true
    ) stored ON l.backlog > 0
    WHERE l.enabled AND l.last_received_at IS NOT NULL
), days AS MATERIALIZED (
    SELECT day, tapline.day_end(day) AS ends FROM (SELECT DISTINCT day FROM lanes) d
)
SELECT 'lane' AS reason, scanner_id, least(since, ends) AS since, ends AS until FROM lanes JOIN days USING (day)
UNION ALL
SELECT 'gap', scanner_id, least(since, until), until
FROM (
    -- A journal ends after 24 hours.
    SELECT g.scanner_id, coalesce(b.at, a.at - interval '24 hours', j.retired_at, '-infinity') AS since,
        coalesce(a.at, g.last_received_at) AS until
    FROM tapline.seq_gaps g JOIN tapline.journals j ON j.id = g.journal_id
    LEFT JOIN LATERAL (SELECT tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS at FROM tapline.scans
        WHERE journal_id = g.journal_id AND seq = g.first_seq - 1 OFFSET 0) b ON true
    LEFT JOIN LATERAL (SELECT tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS at FROM tapline.scans
        WHERE journal_id = g.journal_id AND seq = g.last_seq + 1 OFFSET 0) a ON true
) gaps
UNION ALL
SELECT 'tracking', j.scanner_id, least(f.at, l.at), greatest(f.at, l.at)
FROM tapline_internal.tracking_queue q
JOIN tapline.journals j ON j.id = q.journal_id
CROSS JOIN LATERAL (SELECT tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS at FROM tapline.scans
    WHERE journal_id = q.journal_id AND seq = q.first_seq OFFSET 0) f
CROSS JOIN LATERAL (SELECT tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS at FROM tapline.scans
    WHERE journal_id = q.journal_id AND seq = q.last_seq OFFSET 0) l
UNION ALL
SELECT 'refresh', NULL, min(instant), max(instant) FROM (
    SELECT instant, tapline.day_start(instant) AS day FROM tapline_internal.double_admissions_due) due
GROUP BY day;
COMMENT ON VIEW tapline.unsettled_spans IS
    'Spans of time for which scans may still arrive or be evaluated. A double admission that touches one is not settled';
COMMENT ON COLUMN tapline.unsettled_spans.reason IS
    '`lane`: the lane has not reported since; `gap`: missing scans (tapline.seq_gaps); `tracking`: stored scans that '
    'are not tracked; `refresh`: tracked scans whose day is not evaluated again';
COMMENT ON COLUMN tapline.unsettled_spans.scanner_id IS 'Scanner; null: several';
COMMENT ON COLUMN tapline.unsettled_spans.since IS 'Begin; -infinity: nothing of the lane is known';
COMMENT ON COLUMN tapline.unsettled_spans.until IS
    'End; of a lane the end of the event day in which it was last heard';

CREATE OR REPLACE VIEW tapline.double_admissions AS
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
COMMENT ON COLUMN tapline.double_admissions.settled IS
    'Whether no scan can still arrive or be evaluated between the two admissions (tapline.unsettled_spans). While it '
    'is false, an exit may be missing';

INSERT INTO tapline.schema_migrations (version, name) VALUES (15, 'ingest_guard');
