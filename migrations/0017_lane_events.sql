-- Lane events with the reasons of operators, and the descriptions of 0013_lane_health.sql.

-- Reasons of operators, stored in the transaction that stores the scan.
CREATE TABLE tapline_internal.scan_notes (
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    note text NOT NULL CHECK (note <> ''),
    PRIMARY KEY (journal_id, seq)
);

-- Lane events are rare.
CREATE INDEX scans_lane_events ON tapline.scans (received_at) WHERE verdict >= 128;

CREATE VIEW tapline.lane_events AS
SELECT j.scanner_id, g.name AS gate, tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS time,
    CASE s.verdict WHEN 128 THEN 'opened' WHEN 129 THEN 'free' WHEN 130 THEN 'closed' WHEN 131 THEN 'reader lost'
        WHEN 132 THEN 'reader back' WHEN 133 THEN 'passage without a tap' ELSE 'manual admission' END AS event,
    s.note AS reason, a.name, nullif(s.tag_id, 0) AS tag_id, s.verdict, s.flags, s.gate_id, s.received_at, j.log,
    s.journal_id, s.seq
FROM (
    SELECT s.*, n.note FROM tapline.scans s
    LEFT JOIN tapline_internal.scan_notes n ON n.journal_id = s.journal_id AND n.seq = s.seq
    WHERE s.verdict BETWEEN 128 AND 134
    UNION ALL
    SELECT s.*, n.note FROM tapline_internal.scan_notes n
    JOIN tapline.scans s ON s.journal_id = n.journal_id AND s.seq = n.seq WHERE s.verdict = 0
) s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
ORDER BY time, j.log, s.seq;

COMMENT ON VIEW tapline.center_state IS 'Whether a center receives what the scanners send: one row';
COMMENT ON COLUMN tapline.center_state.state IS
    'running; no broker: a center runs without a broker connection; stopped; never run';
COMMENT ON COLUMN tapline.center_state.since IS 'Begin of that state; null: not known';
COMMENT ON COLUMN tapline.center_state.centers IS 'Centers that run';
COMMENT ON COLUMN tapline.center_state.heard_until IS
    'Scanners could be heard until then: now, or when the last center stopped';
COMMENT ON COLUMN tapline.center_state.message IS 'The state as a sentence, with the time in the event''s time zone';
COMMENT ON COLUMN tapline.scanner_overview.silent IS
    'Enabled, and never heard or not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.scanner_overview.awaited IS
    'Not heard yet by a center that began to receive less than 60 s ago';
COMMENT ON COLUMN tapline.scanner_overview.center IS 'State of the centers, as in center_state';
COMMENT ON COLUMN tapline.live_zones.lanes_silent IS 'Those of them not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.live_gates.lanes_silent IS 'Those of them not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.scanner_health.silent IS
    'Enabled, and never heard or not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.scanner_health.snapshot_outdated IS
    'Whether a newer snapshot was published; one that was only written elsewhere does not count';
COMMENT ON COLUMN tapline.scanner_health.state IS
    'Device status as JSON: gate, alarms, reader, turnstile, mode, disk, software';
COMMENT ON COLUMN tapline.scanner_health.awaited IS
    'Not heard yet by a center that began to receive less than 60 s ago';
COMMENT ON COLUMN tapline.scanner_health.center IS 'State of the centers, as in center_state';
COMMENT ON COLUMN tapline.scanner_health.condition IS
    'The worst that is known of the scanner: NEVER HEARD, SILENT, NO CENTER, AWAITED, LANE DOWN, READER, '
    'TURNSTILE, CLOSED, FREE, DISK, CLOCK, ALARM, GAPS, OUTDATED, UNREPORTED, ok, disabled';
COMMENT ON COLUMN tapline.scanner_health.gate_program IS
    'running or stopped: the gate program of the lane; null: not reported';
COMMENT ON COLUMN tapline.scanner_health.mode IS 'Mode of the lane: normal, free, closed or inspection';
COMMENT ON COLUMN tapline.scanner_health.alarms IS 'English texts of the alarms of the lane; null: none';
COMMENT ON COLUMN tapline.snapshots.published_at IS
    'When it was published for scanners; null: only written, for example to a USB stick';
COMMENT ON COLUMN tapline.snapshots.folder IS 'Folder that it was written to';
COMMENT ON VIEW tapline.lane_events IS
    'Who opened, closed or admitted manually: lane events and manual admissions, with their reasons';
COMMENT ON COLUMN tapline.lane_events.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.lane_events.gate IS 'Name of the gate; null: none';
COMMENT ON COLUMN tapline.lane_events.time IS 'Time of the event as tapline.scan_time places it';
COMMENT ON COLUMN tapline.lane_events.event IS
    'opened, free, closed, reader lost, reader back, passage without a tap, manual admission';
COMMENT ON COLUMN tapline.lane_events.reason IS 'Reason that the operator gave; null: none';
COMMENT ON COLUMN tapline.lane_events.name IS 'Attendee admitted manually; null: no tag, or not registered';
COMMENT ON COLUMN tapline.lane_events.tag_id IS 'Tag admitted manually; null: no tag';
COMMENT ON COLUMN tapline.lane_events.verdict IS 'Verdict as sent';
COMMENT ON COLUMN tapline.lane_events.flags IS 'Flags as sent';
COMMENT ON COLUMN tapline.lane_events.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.lane_events.received_at IS 'Arrival of the event at the center';
COMMENT ON COLUMN tapline.lane_events.log IS 'UUID of the journal';
COMMENT ON COLUMN tapline.lane_events.journal_id IS 'Journal';
COMMENT ON COLUMN tapline.lane_events.seq IS 'Position in the journal';
COMMENT ON FUNCTION tapline.condition_place(text) IS 'Sort key of a condition of scanner_health: 1 is the worst';

INSERT INTO tapline.schema_migrations (version, name) VALUES (17, 'lane_events');
