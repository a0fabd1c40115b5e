-- A person's way, people admitted twice, and the scanners' health.

-- Every scan of every registered tag, in the order of a person's scans.
CREATE VIEW tapline.delegate_track AS
SELECT a.id AS attendee_id, a.name, a.external_ref,
    ((s.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date AS day,
    s.ordered_at AS time, g.name AS gate,
    CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,  -- where it leads; null: off site
    CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
    s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
    s.verdict = 0 AND s.flags & 16 <> 16 AND x.seq IS NULL AS counts,  -- moved the person: not annulled, no inspection
    s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log, s.journal_id,
    s.seq
FROM (SELECT *, least(scanned_at, received_at) AS ordered_at FROM tapline.scans) s
JOIN tapline.tags t ON t.tag_id = s.tag_id
JOIN tapline.attendees a ON a.id = t.attendee_id
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.annulled_scans x ON x.journal_id = s.journal_id AND x.seq = s.seq
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
CROSS JOIN (
    SELECT coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start
    FROM tapline.event
) e
ORDER BY a.id, s.ordered_at, j.log, s.seq;
COMMENT ON VIEW tapline.delegate_track IS 'A person''s scans in order; ask for one attendee_id, name or external_ref';

-- Of one person in one event day: two admissions into one zone that follow each other, with no way out between. Annulled
-- admissions and inspections are none.
CREATE VIEW tapline.double_admissions AS
SELECT w.attendee_id, a.name, a.external_ref, w.zone_id, z.name AS zone,
    w.first_gate_id, g1.name AS first_gate, w.first_at, j1.scanner_id AS first_scanner_id,
    w.gate_id AS second_gate_id, g2.name AS second_gate, w.ordered_at AS second_at, j2.scanner_id AS second_scanner_id,
    w.ordered_at - w.first_at AS apart, w.first_tag_id, w.tag_id AS second_tag_id,
    w.first_journal_id, w.first_seq, w.journal_id AS second_journal_id, w.seq AS second_seq
FROM (
    SELECT t.attendee_id, p.tag_id, p.direction, g.zone_id, p.gate_id, p.ordered_at, p.journal_id, p.seq,
        lag(p.direction) OVER person AS first_direction, lag(g.zone_id) OVER person AS first_zone_id,
        lag(p.gate_id) OVER person AS first_gate_id, lag(p.ordered_at) OVER person AS first_at,
        lag(p.tag_id) OVER person AS first_tag_id, lag(p.journal_id) OVER person AS first_journal_id,
        lag(p.seq) OVER person AS first_seq
    FROM tapline.passages p
    JOIN tapline.journals j ON j.id = p.journal_id
    LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
    LEFT JOIN tapline.gates g ON g.id = p.gate_id
    CROSS JOIN (
        SELECT coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start
        FROM tapline.event
    ) e
    WINDOW person AS (
        PARTITION BY t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END,
            ((p.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date
        ORDER BY p.ordered_at, j.log, p.seq)
) w
LEFT JOIN tapline.attendees a ON a.id = w.attendee_id
JOIN tapline.zones z ON z.id = w.zone_id
LEFT JOIN tapline.gates g1 ON g1.id = w.first_gate_id
LEFT JOIN tapline.gates g2 ON g2.id = w.gate_id
JOIN tapline.journals j1 ON j1.id = w.first_journal_id
JOIN tapline.journals j2 ON j2.id = w.journal_id
WHERE w.direction = 0 AND w.first_direction = 0 AND w.zone_id = w.first_zone_id;
COMMENT ON VIEW tapline.double_admissions IS 'Admitted twice into one zone without a way out: a shared or copied band, or a missed exit';

CREATE VIEW tapline.scanner_health AS
SELECT l.scanner_id, l.enabled, g.name AS gate, l.silent, l.last_received_at, now() - l.last_received_at AS silence,
    l.backlog, l.snapshot_version,
    now() - coalesce(s.created_at, CASE WHEN l.snapshot_version > 0 THEN to_timestamp(l.snapshot_version) END)
        AS snapshot_age,
    coalesce(l.snapshot_version < (SELECT max(version) FROM tapline.snapshots), false) AS snapshot_outdated,
    l.clock_skew, coalesce(abs(extract(epoch FROM l.clock_skew)) > 300, false) AS clock_wrong,
    -- A broken device may claim 2^53 scans in each of its journals; the sum must not end the view.
    least(coalesce(gaps.missing, 0), 9007199254740991)::bigint AS gaps, coalesce(sums.stored, 0)::bigint AS stored,
    coalesce(sums.duplicates, 0)::bigint AS duplicates, coalesce(sums.conflicts, 0)::bigint AS conflicts,
    coalesce(q.batches, 0)::bigint AS quarantined, l.state, l.log, l.journal_id
FROM tapline.lanes l
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
COMMENT ON VIEW tapline.scanner_health IS 'Each scanner: when it was last heard, what it still holds, what it decides from';

INSERT INTO tapline.schema_migrations (version, name) VALUES (5, 'track_views');
