-- Descriptions of the views for reports, shown by psql's \d+ and \dv+.

COMMENT ON VIEW tapline.delegate_track IS
    'All scans of registered tags in the order of a person''s scans. Filter by attendee_id, external_ref or name: any '
    'other condition reads all scans, and then tapline.site_track, gate_track and refusals are the fast ways. People of '
    'one name differ in attendee_id';
COMMENT ON COLUMN tapline.delegate_track.attendee_id IS 'Attendee';
COMMENT ON COLUMN tapline.delegate_track.name IS 'Name of the attendee';
COMMENT ON COLUMN tapline.delegate_track.external_ref IS 'Reference of the registration system';
COMMENT ON COLUMN tapline.delegate_track.day IS 'Event day: local date at the venue, from day start to day start';
COMMENT ON COLUMN tapline.delegate_track.time IS 'Time of the scan, see tapline.scan_time';
COMMENT ON COLUMN tapline.delegate_track.gate IS 'Name of the gate; null: unknown gate';
COMMENT ON COLUMN tapline.delegate_track.zone IS 'Zone that the scan leads to; null: off site';
COMMENT ON COLUMN tapline.delegate_track.direction IS '`in` or `out`';
COMMENT ON COLUMN tapline.delegate_track.verdict IS 'Verdict; 0: admitted';
COMMENT ON COLUMN tapline.delegate_track.verdict_name IS 'Name of the verdict';
COMMENT ON COLUMN tapline.delegate_track.counts IS
    'Whether the scan moved the person: admitted, not annulled, not void, no inspection';
COMMENT ON COLUMN tapline.delegate_track.flags IS 'Flags, see tapline.scans';
COMMENT ON COLUMN tapline.delegate_track.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.delegate_track.tag_id IS 'Tag';
COMMENT ON COLUMN tapline.delegate_track.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.delegate_track.scanned_at IS 'Device time';
COMMENT ON COLUMN tapline.delegate_track.received_at IS 'Arrival at the center';
COMMENT ON COLUMN tapline.delegate_track.snapshot_version IS 'Snapshot that the gate decided from; 0: none';
COMMENT ON COLUMN tapline.delegate_track.log IS 'Journal UUID';
COMMENT ON COLUMN tapline.delegate_track.journal_id IS 'Journal';
COMMENT ON COLUMN tapline.delegate_track.seq IS 'Position in the journal';
COMMENT ON COLUMN tapline.delegate_track.is_void IS 'Whether the scan is void (tapline.void_scans)';

COMMENT ON VIEW tapline.double_admissions IS
    'Consecutive admissions of one person into one zone in one event day, without exit or annulment between: a '
    'shared or copied tag, or a missed exit';
COMMENT ON COLUMN tapline.double_admissions.attendee_id IS 'Attendee; null: the tag is not registered';
COMMENT ON COLUMN tapline.double_admissions.name IS 'Name of the attendee';
COMMENT ON COLUMN tapline.double_admissions.external_ref IS 'Reference of the registration system';
COMMENT ON COLUMN tapline.double_admissions.zone_id IS 'Zone that both admissions lead to';
COMMENT ON COLUMN tapline.double_admissions.zone IS 'Name of the zone';
COMMENT ON COLUMN tapline.double_admissions.first_gate_id IS 'Gate of the first admission';
COMMENT ON COLUMN tapline.double_admissions.first_gate IS 'Name of that gate';
COMMENT ON COLUMN tapline.double_admissions.first_at IS 'Time of the first admission';
COMMENT ON COLUMN tapline.double_admissions.first_scanner_id IS 'Scanner of the first admission';
COMMENT ON COLUMN tapline.double_admissions.second_gate_id IS 'Gate of the second admission';
COMMENT ON COLUMN tapline.double_admissions.second_gate IS 'Name of that gate';
COMMENT ON COLUMN tapline.double_admissions.second_at IS 'Time of the second admission';
COMMENT ON COLUMN tapline.double_admissions.second_scanner_id IS 'Scanner of the second admission';
COMMENT ON COLUMN tapline.double_admissions.apart IS 'Time between the two';
COMMENT ON COLUMN tapline.double_admissions.first_tag_id IS 'Tag of the first admission';
COMMENT ON COLUMN tapline.double_admissions.second_tag_id IS
    'Tag of the second admission; may be another tag of the person';
COMMENT ON COLUMN tapline.double_admissions.first_journal_id IS 'Journal of the first admission';
COMMENT ON COLUMN tapline.double_admissions.first_seq IS 'Position of the first admission in its journal';
COMMENT ON COLUMN tapline.double_admissions.second_journal_id IS 'Journal of the second admission';
COMMENT ON COLUMN tapline.double_admissions.second_seq IS 'Position of the second admission in its journal';
COMMENT ON COLUMN tapline.double_admissions.settled IS
    'Whether no scan can still arrive or be evaluated between the two admissions (tapline.unsettled_spans). While it '
    'is false, an exit may be missing';

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

COMMENT ON VIEW tapline.unsettled_spans IS
    'Spans of time for which scans may still arrive or be evaluated. A double admission that touches one is not '
    'settled';
COMMENT ON COLUMN tapline.unsettled_spans.reason IS
    '`lane`: the lane has not reported since; `gap`: missing scans (tapline.seq_gaps); `tracking`: stored scans that '
    'are not tracked; `refresh`: tracked scans whose day is not evaluated again';
COMMENT ON COLUMN tapline.unsettled_spans.scanner_id IS 'Scanner; null: several';
COMMENT ON COLUMN tapline.unsettled_spans.since IS 'Begin; -infinity: nothing of the lane is known';
COMMENT ON COLUMN tapline.unsettled_spans.until IS
    'End; of a lane the end of the event day in which it was last heard';

COMMENT ON VIEW tapline.ingest_balance IS
    'Proof per journal: received = stored + duplicates + conflicts, and stored = last_seq - missing';
COMMENT ON COLUMN tapline.ingest_balance.journal_id IS 'Journal';
COMMENT ON COLUMN tapline.ingest_balance.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.ingest_balance.log IS 'Journal UUID';
COMMENT ON COLUMN tapline.ingest_balance.received IS 'Scans received, redeliveries included';
COMMENT ON COLUMN tapline.ingest_balance.stored IS 'Scans stored';
COMMENT ON COLUMN tapline.ingest_balance.duplicates IS 'Scans received again with equal content';
COMMENT ON COLUMN tapline.ingest_balance.conflicts IS 'Scans received again with different content';
COMMENT ON COLUMN tapline.ingest_balance.last_seq IS 'Highest seq stored';
COMMENT ON COLUMN tapline.ingest_balance.missing IS 'Seqs below last_seq that are not stored, accepted gaps included';
COMMENT ON COLUMN tapline.ingest_balance.balanced IS 'Whether both equations hold';
COMMENT ON COLUMN tapline.ingest_balance.last_received_at IS 'Last arrival of this journal';

COMMENT ON VIEW tapline.scan_partition_state IS
    'Partitions of the stored scans, one per range of journals: open, closed or retired, and what keeps them from '
    'closing';
COMMENT ON COLUMN tapline.scan_partition_state.name IS 'Name of the partition in schema tapline_internal';
COMMENT ON COLUMN tapline.scan_partition_state.first_journal IS 'First journal id of the range';
COMMENT ON COLUMN tapline.scan_partition_state.end_journal IS 'First journal id after the range';
COMMENT ON COLUMN tapline.scan_partition_state.created_at IS 'Time of its creation';
COMMENT ON COLUMN tapline.scan_partition_state.closed_at IS
    'Time at which the center closed it: since then indexed by tag, and frozen; null: open';
COMMENT ON COLUMN tapline.scan_partition_state.retired_at IS
    'Time at which retention dropped its scans: holds only what arrived later; null: not dropped';
COMMENT ON COLUMN tapline.scan_partition_state.is_full IS 'Whether all journal ids of the range are used';
COMMENT ON COLUMN tapline.scan_partition_state.journals IS 'Number of journals';
COMMENT ON COLUMN tapline.scan_partition_state.scans IS 'Scans stored, without those dropped by retention';
COMMENT ON COLUMN tapline.scan_partition_state.heard_at IS 'Last arrival of any of its journals';
COMMENT ON COLUMN tapline.scan_partition_state.unfinished IS
    'Journals that no newer journal of their scanner follows; they may still grow';
COMMENT ON COLUMN tapline.scan_partition_state.unfinished_heard_at IS 'Last arrival of the unfinished journals';
COMMENT ON COLUMN tapline.scan_partition_state.unfinished_backlog IS 'Scans that their scanners have not uploaded';
COMMENT ON COLUMN tapline.scan_partition_state.gaps IS 'Open gaps of its journals, as in tapline.seq_gaps';
COMMENT ON COLUMN tapline.scan_partition_state.bytes IS 'Size on disk with indexes, in bytes';

INSERT INTO tapline.schema_migrations (version, name) VALUES (16, 'report_view_comments');
