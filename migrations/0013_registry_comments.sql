-- Descriptions of the registry, of the centers and of the broker, shown by psql's \d+ and \dt+.

COMMENT ON TABLE tapline.schema_migrations IS 'Migrations that were applied, one row each';
COMMENT ON COLUMN tapline.schema_migrations.version IS 'Number of the migration file';
COMMENT ON COLUMN tapline.schema_migrations.name IS 'Name of the migration file, without number and suffix';
COMMENT ON COLUMN tapline.schema_migrations.applied_at IS 'Start of the transaction that applied it';
COMMENT ON COLUMN tapline.schema_migrations.checksum IS
    'SHA-256 of the file in hex, written by `tapline-center migrate`; null if psql ran the file';

COMMENT ON TABLE tapline.event IS 'The event: one row, or none before `tapline-center event set`';
COMMENT ON COLUMN tapline.event.singleton IS 'Always true: allows one row only';
COMMENT ON COLUMN tapline.event.id IS 'UUID of the event. Scanners pin it with the first snapshot that carries it.';
COMMENT ON COLUMN tapline.event.name IS 'Name of the event: a label, which may change.';
COMMENT ON COLUMN tapline.event.time_zone IS 'Time zone of the venue, as PostgreSQL names it, for example Asia/Dubai';
COMMENT ON COLUMN tapline.event.day_start IS 'Local time at which an event day starts';
COMMENT ON COLUMN tapline.event.key_fingerprint IS
    'Fingerprint of the event key: the first 8 bytes of HMAC-SHA-256(event key, ''tapline event key''). '
    'Null until an import or a command proves a key.';
COMMENT ON COLUMN tapline.event.code_case IS
    'exact: codes that differ in the case of a letter are different codes. fold: A to Z in codes count as a to z.';

COMMENT ON VIEW tapline.event_settings IS
    'Settings of the event, with defaults where none are set: always one row. SET TIME ZONE to time_zone for '
    'local times';
COMMENT ON COLUMN tapline.event_settings.name IS 'Name of the event; null before `tapline-center event set`';
COMMENT ON COLUMN tapline.event_settings.time_zone IS 'Time zone of the venue; default Etc/UTC';
COMMENT ON COLUMN tapline.event_settings.day_start IS 'Local time at which an event day starts; default 06:00';
COMMENT ON COLUMN tapline.event_settings.id IS 'UUID of the event; null before the event is set.';
COMMENT ON COLUMN tapline.event_settings.key_fingerprint IS 'Fingerprint of the event key; null if it is not known.';
COMMENT ON COLUMN tapline.event_settings.code_case IS 'How texts of codes are compared: exact or fold.';

COMMENT ON FUNCTION tapline.day_start(timestamptz) IS
    'Last start of an event day at or before an instant; without argument: the start of the current event day. In '
    'conditions on many rows write (SELECT tapline.day_start()): it is then called once and not for each row';
COMMENT ON FUNCTION tapline.day_end(timestamptz) IS 'First start of an event day after an instant';

COMMENT ON TABLE tapline.zones IS 'Areas of the venue. Being in a zone is being in all zones that contain it';
COMMENT ON COLUMN tapline.zones.id IS 'Zone id';
COMMENT ON COLUMN tapline.zones.name IS 'Unique name; contains no semicolon';
COMMENT ON COLUMN tapline.zones.parent_id IS 'Zone that contains this zone; null: top level';
COMMENT ON COLUMN tapline.zones.capacity IS 'Capacity in people, for display; null: unlimited';

COMMENT ON TABLE tapline.gates IS 'Entry points between two zones, each with a policy';
COMMENT ON COLUMN tapline.gates.id IS 'Gate id, below 2^53';
COMMENT ON COLUMN tapline.gates.name IS 'Unique name';
COMMENT ON COLUMN tapline.gates.zone_id IS 'Zone that direction in leads to';
COMMENT ON COLUMN tapline.gates.from_zone_id IS 'Zone that direction out leads to; null: off site';
COMMENT ON COLUMN tapline.gates.policy IS
    'Policy as JSON (contract.md section 6): antipassback, minutes, debounce_ms, tolerance_s, no_snapshot, '
    'expired, uid_only; an absent key means its default';

COMMENT ON TABLE tapline.scanners IS 'Enrolled devices. Batches of other devices are quarantined';
COMMENT ON COLUMN tapline.scanners.id IS 'Identity of the device, also the name of its RabbitMQ user';
COMMENT ON COLUMN tapline.scanners.gate_id IS
    'Default gate; an operator may assign the device to another gate on the spot';
COMMENT ON COLUMN tapline.scanners.enabled IS 'False: batches of this device are quarantined';
COMMENT ON COLUMN tapline.scanners.enrolled_at IS 'Time of the enrolment';

COMMENT ON TABLE tapline.passes IS 'What a ticket or accreditation opens; its zones and times are in tapline.access';
COMMENT ON COLUMN tapline.passes.id IS 'Pass id';
COMMENT ON COLUMN tapline.passes.name IS 'Unique name; null: made by an import for all rows of equal zones and times';
COMMENT ON COLUMN tapline.passes.colour IS 'Colour for the lane display';
COMMENT ON COLUMN tapline.passes.note IS 'Text for the lane display';
COMMENT ON COLUMN tapline.passes.reentry IS
    'Re-entry: `gate`: as the gate''s policy says; `free`: always allowed; `none`: never allowed';

COMMENT ON TABLE tapline.access IS 'Zones and times that a pass opens';
COMMENT ON COLUMN tapline.access.id IS 'Row id';
COMMENT ON COLUMN tapline.access.pass_id IS 'Pass that has this access';
COMMENT ON COLUMN tapline.access.zone_id IS
    'Zone that the pass opens: the gates into this zone and into every zone that contains it, not into zones within it';
COMMENT ON COLUMN tapline.access.valid_from IS 'Start of validity, inclusive; null: no lower limit';
COMMENT ON COLUMN tapline.access.valid_until IS 'End of validity, exclusive; null: no upper limit';

COMMENT ON TABLE tapline.attendees IS 'People on the registration list. Dashboards call them delegates';
COMMENT ON COLUMN tapline.attendees.id IS 'Attendee id';
COMMENT ON COLUMN tapline.attendees.name IS 'Name; never part of a snapshot';
COMMENT ON COLUMN tapline.attendees.category IS 'Category from the registration list; never part of a snapshot';
COMMENT ON COLUMN tapline.attendees.status IS '`active`; `blocked`: refused by security; `void`: ticket cancelled';
COMMENT ON COLUMN tapline.attendees.pass_id IS 'Pass of the attendee; null: opens nothing';
COMMENT ON COLUMN tapline.attendees.external_ref IS
    'Unique reference of the registration system, for example an order id';

COMMENT ON TABLE tapline.tags IS 'Wristbands, badges and codes of attendees';
COMMENT ON COLUMN tapline.tags.tag_id IS
    'Tag id: keyed hash of the chip''s UID or of the code (contract.md section 2); never 0';
COMMENT ON COLUMN tapline.tags.attendee_id IS 'Attendee who holds the tag';
COMMENT ON COLUMN tapline.tags.status IS '`active`; `lost`: lost or replaced; `void`: ticket cancelled';

COMMENT ON TABLE tapline.snapshots IS 'Snapshots that were published, by `tapline-snapshot export` or by the center';
COMMENT ON COLUMN tapline.snapshots.version IS
    'Version: seconds since 1970 at export, or the last version + 1 if larger';
COMMENT ON COLUMN tapline.snapshots.created_at IS 'Time of the export';
COMMENT ON COLUMN tapline.snapshots.expires_at IS 'Time after which the gate''s policy for expired snapshots applies';
COMMENT ON COLUMN tapline.snapshots.attendees IS 'Number of rows in the snapshot''s table attendees: one per tag';
COMMENT ON COLUMN tapline.snapshots.size IS 'Size of the uncompressed file in bytes';
COMMENT ON COLUMN tapline.snapshots.sha256 IS 'SHA-256 of the uncompressed file in hex';
COMMENT ON COLUMN tapline.snapshots.file IS 'Name of the file in the snapshot folder';
COMMENT ON COLUMN tapline.snapshots.content IS
    'SHA-256 in hex of all rows except version and times (contract.md section 6). Equal content is published '
    'under one version';
COMMENT ON COLUMN tapline.snapshots.published_at IS
    'When it was published for scanners; null: only written, for example to a USB stick';
COMMENT ON COLUMN tapline.snapshots.folder IS 'Folder that it was written to';

COMMENT ON VIEW tapline.center_state IS 'Whether a center receives what the scanners send: one row';
COMMENT ON COLUMN tapline.center_state.state IS
    'running; no broker: a center runs without a broker connection; stopped; never run';
COMMENT ON COLUMN tapline.center_state.since IS 'Begin of that state; null: not known';
COMMENT ON COLUMN tapline.center_state.centers IS 'Centers that run';
COMMENT ON COLUMN tapline.center_state.heard_until IS
    'Scanners could be heard until then: now, or when the last center stopped';
COMMENT ON COLUMN tapline.center_state.message IS 'The state as a sentence, with the time in the event''s time zone';

COMMENT ON VIEW tapline.broker_warnings IS
    'Signs that the broker removes confirmed scans, by the last check. A center checks at its start and each hour';
COMMENT ON COLUMN tapline.broker_warnings.queue IS 'Name of the queue';
COMMENT ON COLUMN tapline.broker_warnings.warning IS 'What was found';
COMMENT ON COLUMN tapline.broker_warnings.checked_at IS 'Time of the check';

INSERT INTO tapline.schema_migrations (version, name) VALUES (13, 'registry_comments');
