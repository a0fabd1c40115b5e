-- Descriptions of the live views and of the condition of the scanners, shown by psql's \d+ and \dv+. "Today" is the
-- time since the event's last day start.

COMMENT ON VIEW tapline.scanner_overview IS 'Scanners with their most recent journal and the gate that they work at';
COMMENT ON COLUMN tapline.scanner_overview.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.scanner_overview.enabled IS 'False: its batches are quarantined';
COMMENT ON COLUMN tapline.scanner_overview.gate_id IS 'Gate of its last batch, else its default gate';
COMMENT ON COLUMN tapline.scanner_overview.journal_id IS 'Journal that it was last heard with; null: never heard';
COMMENT ON COLUMN tapline.scanner_overview.log IS 'UUID of that journal';
COMMENT ON COLUMN tapline.scanner_overview.last_received_at IS 'Arrival of its last batch or heartbeat';
COMMENT ON COLUMN tapline.scanner_overview.known_until IS
    'All earlier taps have arrived, by the clock of the device; a batch may have waited in the broker';
COMMENT ON COLUMN tapline.scanner_overview.backlog IS 'Scans not uploaded after its last batch';
COMMENT ON COLUMN tapline.scanner_overview.snapshot_version IS 'Snapshot version that it decides from; 0: none';
COMMENT ON COLUMN tapline.scanner_overview.clock_skew IS 'Upper bound of center clock - device clock';
COMMENT ON COLUMN tapline.scanner_overview.state IS 'Device status as JSON: reader, turnstile, disk, power, software';
COMMENT ON COLUMN tapline.scanner_overview.silent IS
    'Enabled, and never heard or not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.scanner_overview.awaited IS
    'Not heard yet by a center that began to receive less than 60 s ago';
COMMENT ON COLUMN tapline.scanner_overview.center IS 'State of the centers, as in center_state';

COMMENT ON VIEW tapline.live_delegates IS
    'Position of each person seen today: one row per person, by the latest of their tags. A tag without attendee '
    'is a person';
COMMENT ON COLUMN tapline.live_delegates.attendee_id IS 'Attendee; null: the tag is not registered';
COMMENT ON COLUMN tapline.live_delegates.name IS 'Name of the attendee';
COMMENT ON COLUMN tapline.live_delegates.category IS 'Category of the attendee';
COMMENT ON COLUMN tapline.live_delegates.external_ref IS 'Reference of the registration system';
COMMENT ON COLUMN tapline.live_delegates.zone_id IS 'Zone where the person is; null: off site';
COMMENT ON COLUMN tapline.live_delegates.zone IS 'Name of that zone';
COMMENT ON COLUMN tapline.live_delegates.since IS 'Time of the scan that led there';
COMMENT ON COLUMN tapline.live_delegates.tag_id IS 'Tag of that scan';
COMMENT ON COLUMN tapline.live_delegates.gate_id IS 'Gate of that scan';
COMMENT ON COLUMN tapline.live_delegates.gate IS 'Name of that gate; null: unknown gate';
COMMENT ON COLUMN tapline.live_delegates.scanner_id IS 'Scanner of that scan';
COMMENT ON COLUMN tapline.live_delegates.ordered_at IS 'The same time as since, by which the latest tag is chosen';

COMMENT ON VIEW tapline.live_zones IS
    'People in each zone now, people seen today only, and the number of lanes heard';
COMMENT ON COLUMN tapline.live_zones.zone_id IS 'Zone';
COMMENT ON COLUMN tapline.live_zones.name IS 'Name of the zone';
COMMENT ON COLUMN tapline.live_zones.parent_id IS 'Zone that contains it; null: top level';
COMMENT ON COLUMN tapline.live_zones.inside IS 'People in the zone itself';
COMMENT ON COLUMN tapline.live_zones.inside_total IS 'People in the zone and all zones within it';
COMMENT ON COLUMN tapline.live_zones.capacity IS 'Capacity in people; null: unlimited';
COMMENT ON COLUMN tapline.live_zones.lanes IS
    'Enabled lanes that the count depends on: at gates into or out of the zone or a zone within';
COMMENT ON COLUMN tapline.live_zones.lanes_silent IS 'Those of them not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.live_zones.as_of IS 'All taps up to this time are here, of every lane that is not silent';
COMMENT ON COLUMN tapline.live_zones.depth IS 'Number of zones that contain it';
COMMENT ON COLUMN tapline.live_zones.path IS
    'Names of the zones that contain it, outermost first, and its own; sort key';

COMMENT ON VIEW tapline.live_gates IS
    'Flow at each gate by the time of the tap: the last minute in steps of ten seconds, and today';
COMMENT ON COLUMN tapline.live_gates.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.live_gates.name IS 'Name of the gate';
COMMENT ON COLUMN tapline.live_gates.zone IS 'Zone that direction in leads to';
COMMENT ON COLUMN tapline.live_gates.from_zone IS 'Zone that direction out leads to; null: off site';
COMMENT ON COLUMN tapline.live_gates.in_minute IS 'Passages in, last minute: admitted, not annulled, no inspection';
COMMENT ON COLUMN tapline.live_gates.out_minute IS 'Passages out, last minute';
COMMENT ON COLUMN tapline.live_gates.refused_minute IS 'Taps refused, last minute: verdicts 1 to 63, no inspection';
COMMENT ON COLUMN tapline.live_gates.in_today IS 'Passages in, today';
COMMENT ON COLUMN tapline.live_gates.out_today IS 'Passages out, today';
COMMENT ON COLUMN tapline.live_gates.refused_today IS 'Taps refused, today';
COMMENT ON COLUMN tapline.live_gates.annulled_today IS
    'Admissions annulled, today, verdict 64: the person did not pass';
COMMENT ON COLUMN tapline.live_gates.untapped_today IS
    'Passages without a tap and admissions without a tag, today: verdicts 133 and 134';
COMMENT ON COLUMN tapline.live_gates.last_at IS 'Time of the last tap today';
COMMENT ON COLUMN tapline.live_gates.lanes IS 'Enabled lanes at the gate';
COMMENT ON COLUMN tapline.live_gates.lanes_silent IS 'Those of them not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.live_gates.as_of IS 'When a lane of the gate was last heard';

COMMENT ON VIEW tapline.scanner_health IS
    'Last contact, backlog, snapshot, and stored scans of each scanner';
COMMENT ON COLUMN tapline.scanner_health.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.scanner_health.enabled IS 'False: its batches are quarantined';
COMMENT ON COLUMN tapline.scanner_health.gate IS 'Name of the gate of its last batch, else of its default gate';
COMMENT ON COLUMN tapline.scanner_health.silent IS
    'Enabled, and never heard or not heard for 60 s while a center was receiving';
COMMENT ON COLUMN tapline.scanner_health.last_received_at IS 'Arrival of its last batch or heartbeat';
COMMENT ON COLUMN tapline.scanner_health.silence IS 'Time since then';
COMMENT ON COLUMN tapline.scanner_health.backlog IS 'Scans not uploaded after its last batch';
COMMENT ON COLUMN tapline.scanner_health.snapshot_version IS 'Snapshot version that it decides from; 0: none';
COMMENT ON COLUMN tapline.scanner_health.snapshot_age IS 'Age of that snapshot; null: none';
COMMENT ON COLUMN tapline.scanner_health.snapshot_outdated IS
    'Whether a newer snapshot was published; one that was only written elsewhere does not count';
COMMENT ON COLUMN tapline.scanner_health.clock_skew IS 'Upper bound of center clock - device clock';
COMMENT ON COLUMN tapline.scanner_health.clock_wrong IS 'Whether the skew is over 5 minutes either way';
COMMENT ON COLUMN tapline.scanner_health.gaps IS 'Missing scans of all its journals, as in tapline.seq_gaps';
COMMENT ON COLUMN tapline.scanner_health.stored IS 'Scans stored, all journals';
COMMENT ON COLUMN tapline.scanner_health.duplicates IS 'Scans received again with equal content, all journals';
COMMENT ON COLUMN tapline.scanner_health.conflicts IS 'Scans received again with different content, all journals';
COMMENT ON COLUMN tapline.scanner_health.quarantined IS 'Batches of the scanner in quarantine, without heartbeats';
COMMENT ON COLUMN tapline.scanner_health.state IS
    'Device status as JSON: gate, alarms, reader, turnstile, mode, disk, software';
COMMENT ON COLUMN tapline.scanner_health.log IS 'UUID of the journal that it was last heard with';
COMMENT ON COLUMN tapline.scanner_health.journal_id IS 'That journal; null: never heard';
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

COMMENT ON FUNCTION tapline.condition_place(text) IS 'Sort key of a condition of scanner_health: 1 is the worst';

INSERT INTO tapline.schema_migrations (version, name) VALUES (15, 'live_view_comments');
