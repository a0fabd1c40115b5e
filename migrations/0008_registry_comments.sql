-- Descriptions of the registry, shown by psql's \d+ and \dt+.

COMMENT ON TABLE tapline.schema_migrations IS 'Migrations that were applied, one row each';
COMMENT ON COLUMN tapline.schema_migrations.version IS 'Number of the migration file';
COMMENT ON COLUMN tapline.schema_migrations.name IS 'Name of the migration file, without number and suffix';
COMMENT ON COLUMN tapline.schema_migrations.applied_at IS 'Start of the transaction that applied it';
COMMENT ON COLUMN tapline.schema_migrations.checksum IS
    'SHA-256 of the file in hex, written by `tapline-center migrate`; null if psql ran the file';

COMMENT ON TABLE tapline.event IS 'The event: one row, or none before `tapline-center event set`';
COMMENT ON COLUMN tapline.event.singleton IS 'Always true: allows one row only';
COMMENT ON COLUMN tapline.event.name IS 'Name of the event; scanners accept snapshots of this event only';
COMMENT ON COLUMN tapline.event.time_zone IS 'Time zone of the venue, as PostgreSQL names it, for example Asia/Dubai';
COMMENT ON COLUMN tapline.event.day_start IS 'Local time at which an event day starts';

COMMENT ON VIEW tapline.event_settings IS
    'Settings of the event, with defaults where none are set: always one row. SET TIME ZONE to time_zone for '
    'local times';
COMMENT ON COLUMN tapline.event_settings.name IS 'Name of the event; null before `tapline-center event set`';
COMMENT ON COLUMN tapline.event_settings.time_zone IS 'Time zone of the venue; default Etc/UTC';
COMMENT ON COLUMN tapline.event_settings.day_start IS 'Local time at which an event day starts; default 06:00';

COMMENT ON FUNCTION tapline.day_start(timestamptz) IS
    'Last start of an event day at or before an instant; without argument: the start of the current event day';
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

INSERT INTO tapline.schema_migrations (version, name) VALUES (8, 'registry_comments');
