-- Descriptions of journals, scans, gaps, presence and quarantine, shown by psql's \d+ and \dt+.

COMMENT ON TABLE tapline.journals IS
    'Journals of the scanners: a new one at each start of a gate, and after 24 hours. received = stored + '
    'duplicates + conflicts, always';
COMMENT ON COLUMN tapline.journals.id IS 'Journal id within this database';
COMMENT ON COLUMN tapline.journals.log IS 'Journal UUID, chosen by the gate; unique with scanner_id';
COMMENT ON COLUMN tapline.journals.scanner_id IS 'Scanner that wrote the journal';
COMMENT ON COLUMN tapline.journals.next_seq IS 'Lowest seq not stored yet';
COMMENT ON COLUMN tapline.journals.last_seq IS 'Highest seq stored; 0: none';
COMMENT ON COLUMN tapline.journals.received IS 'Scans received, redeliveries included';
COMMENT ON COLUMN tapline.journals.stored IS 'Scans stored';
COMMENT ON COLUMN tapline.journals.duplicates IS 'Scans received again with equal content';
COMMENT ON COLUMN tapline.journals.conflicts IS
    'Scans received again with different content; the first stays, the other is quarantined';
COMMENT ON COLUMN tapline.journals.annulments IS 'Stored scans with verdict 64';
COMMENT ON COLUMN tapline.journals.announced_seq IS
    'Last seq of this journal that the scanner has published, as a heartbeat or its next journal announced it; 0: not '
    'announced';
COMMENT ON COLUMN tapline.journals.accepted_seq IS
    'An operator accepted the loss of the end of the journal up to this seq (tapline.accept_gap); 0: none';
COMMENT ON COLUMN tapline.journals.first_received_at IS 'Arrival of its first batch, center clock';
COMMENT ON COLUMN tapline.journals.last_received_at IS 'Arrival of its last batch or heartbeat, center clock';
COMMENT ON COLUMN tapline.journals.known_until IS
    'All earlier taps of the scanner have arrived, by its last batches; -infinity: not known';
COMMENT ON COLUMN tapline.journals.backlog IS 'Scans that the scanner had not uploaded after its last batch';
COMMENT ON COLUMN tapline.journals.snapshot_version IS 'Snapshot version of the last batch; 0: none';
COMMENT ON COLUMN tapline.journals.gate_id IS 'Gate of the last batch; null: the scanner''s default gate';
COMMENT ON COLUMN tapline.journals.clock_skew IS
    'Smallest value of skews: upper bound of center clock - device clock. Negative: the device clock is ahead';
COMMENT ON COLUMN tapline.journals.skews IS 'Arrival time - device send time of the last 20 publishes, in microseconds';
COMMENT ON COLUMN tapline.journals.state IS
    'Device status of the last batch that had one: reader, turnstile, disk, power, software';
COMMENT ON COLUMN tapline.journals.retired_seq IS
    'Retention dropped the scans up to this seq. They count as duplicates if they arrive again; 0: none';
COMMENT ON COLUMN tapline.journals.retired_at IS 'Time at which retention dropped scans of this journal';

COMMENT ON VIEW tapline.scans IS
    'Scans: taps with their verdict, and lane events (tag 0). (journal_id, seq) is unique. Fast by journal_id, gate_id '
    'and snapshot_version; else use tapline.scans_today, scans_of, scans_between, scans_received or all_scans';
COMMENT ON COLUMN tapline.scans.journal_id IS 'Journal, see tapline.journals';
COMMENT ON COLUMN tapline.scans.seq IS 'Position in the journal: 1, 2, 3, without gaps on the scanner';
COMMENT ON COLUMN tapline.scans.tag_id IS 'Tag id; 0: no tag, in lane events';
COMMENT ON COLUMN tapline.scans.scanned_at IS
    'Time of the tap by the device clock, in whole milliseconds; stored as sent, never corrected';
COMMENT ON COLUMN tapline.scans.verdict IS
    'Verdict 0 to 255 (contract.md section 2), see tapline.verdict_name; 0: admitted';
COMMENT ON COLUMN tapline.scans.flags IS
    'Bits: 1 out (else in), 2 operator override, 4 device clock not trusted, 8 snapshot expired, 16 inspection '
    'without passage, 32 admitted although inside';
COMMENT ON COLUMN tapline.scans.gate_id IS 'Gate as sent, known or not; else the scanner''s default gate at receipt';
COMMENT ON COLUMN tapline.scans.snapshot_version IS 'Snapshot that the gate decided from; 0: none';
COMMENT ON COLUMN tapline.scans.received_at IS 'Arrival at the center, center clock';

DO $$
DECLARE
    of_scans record;
BEGIN
    FOR of_scans IN SELECT attname AS name, col_description(attrelid, attnum) AS text FROM pg_attribute
        WHERE attrelid = 'tapline.scans'::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN tapline.run_scans.%I IS %L', of_scans.name, of_scans.text);
    END LOOP;
END $$;

COMMENT ON TABLE tapline_internal.scan_times IS
    'Places in time of the scans whose device clock was not trusted; see tapline.scan_time';

COMMENT ON FUNCTION tapline.scan_time(bigint, bigint, smallint, timestamptz, timestamptz) IS
    'Time of a scan: the earlier of device time and arrival; of a scan whose clock was not trusted the time at which '
    'the center placed it. First key of the order of a tag''s scans (contract.md section 4)';
COMMENT ON FUNCTION tapline.scans_of(bigint) IS
    'All scans of a tag, and whether each admission was annulled. A plain query for a tag reads all scans';
COMMENT ON FUNCTION tapline.verdict_name(smallint) IS 'Name of a verdict, for example admitted or no-access';
COMMENT ON FUNCTION tapline.age_text(interval) IS 'Age for a narrow column: 59 s, 119 min, 47 h, 12 d';
COMMENT ON FUNCTION tapline.accept_gap(bigint, bigint, bigint) IS
    'Accepts that the seqs first to last of a journal (journals.id) will never arrive, for example of a '
    'destroyed device. Scans that arrive later are still stored. Returns the number of gaps accepted; '
    'fails without an open gap';

COMMENT ON VIEW tapline.seq_gaps IS
    'Seqs that a scanner wrote and that have not arrived, unless accepted with tapline.accept_gap';
COMMENT ON COLUMN tapline.seq_gaps.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.seq_gaps.log IS 'Journal UUID';
COMMENT ON COLUMN tapline.seq_gaps.journal_id IS 'Journal';
COMMENT ON COLUMN tapline.seq_gaps.first_seq IS 'First missing seq';
COMMENT ON COLUMN tapline.seq_gaps.last_seq IS 'Last missing seq';
COMMENT ON COLUMN tapline.seq_gaps.missing IS 'Number of missing seqs';
COMMENT ON COLUMN tapline.seq_gaps.kind IS
    '`gap`: later scans have arrived; `tail`: the end of a journal, announced by a heartbeat or by the next journal';
COMMENT ON COLUMN tapline.seq_gaps.last_received_at IS 'Last arrival of this journal';

COMMENT ON VIEW tapline.presence IS
    'Position of each tag: its last admitted, not annulled, not inspecting scan. At most 1 s behind the stored '
    'scans while a center runs';
COMMENT ON COLUMN tapline.presence.tag_id IS 'Tag id';
COMMENT ON COLUMN tapline.presence.attendee_id IS 'Attendee who holds the tag; null: not registered';
COMMENT ON COLUMN tapline.presence.zone_id IS 'Zone where the tag is; null: off site';
COMMENT ON COLUMN tapline.presence.since IS 'Time of that scan, see tapline.scan_time';
COMMENT ON COLUMN tapline.presence.scanner_id IS 'Scanner of that scan';
COMMENT ON COLUMN tapline.presence.gate_id IS 'Gate of that scan';
COMMENT ON COLUMN tapline.presence.direction IS 'Direction of that scan: 0 in, 1 out';
COMMENT ON COLUMN tapline.presence.ordered_at IS
    'First key of the order of a tag''s scans: tapline.scan_time of that scan';
COMMENT ON COLUMN tapline.presence.log IS 'Second key of that order: journal UUID';
COMMENT ON COLUMN tapline.presence.seq IS 'Third key of that order: position in the journal';
COMMENT ON COLUMN tapline.presence.journal_id IS 'Journal of that scan';

COMMENT ON TABLE tapline.quarantine IS
    'Batches that could not be stored, each (routing_key, reason, sha256) once, and heartbeats, each (routing_key, '
    'reason) once. See `tapline-center quarantine`';
COMMENT ON COLUMN tapline.quarantine.id IS 'Row id, for `quarantine show`, `replay` and `drop`';
COMMENT ON COLUMN tapline.quarantine.received_at IS 'First arrival, center clock';
COMMENT ON COLUMN tapline.quarantine.last_received_at IS 'Last arrival, center clock';
COMMENT ON COLUMN tapline.quarantine.routing_key IS 'AMQP routing key; bytes that are not valid text as \xNN';
COMMENT ON COLUMN tapline.quarantine.user_id IS 'AMQP user that the broker validated; null: none';
COMMENT ON COLUMN tapline.quarantine.scanner_id IS 'Scanner in the routing key; null: not a valid identity';
COMMENT ON COLUMN tapline.quarantine.reason IS
    'malformed, oversized, version, length, range, identity, unknown-scanner, disabled-scanner or conflict '
    '(contract.md section 3)';
COMMENT ON COLUMN tapline.quarantine.detail IS 'Details of the reason; of a conflict the seqs';
COMMENT ON COLUMN tapline.quarantine.times IS 'Number of arrivals';
COMMENT ON COLUMN tapline.quarantine.is_heartbeat IS
    'Whether the row counts heartbeats, which hold no scan: one row per routing_key and reason, with the newest body';
COMMENT ON COLUMN tapline.quarantine.size IS 'Size of the whole body in bytes; null: same as the stored body';
COMMENT ON COLUMN tapline.quarantine.sha256 IS 'SHA-256 of the whole body';
COMMENT ON COLUMN tapline.quarantine.body IS 'Body; of a body over 1 MiB the first 64 KiB';

INSERT INTO tapline.schema_migrations (version, name) VALUES (14, 'scan_comments');
