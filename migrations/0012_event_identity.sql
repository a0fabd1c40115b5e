-- Identity of the event. The UUID is permanent, and scanners pin it; the name is a label. The fingerprint names the event
-- key, so that a list or a gate with another key is refused.

ALTER TABLE tapline.event
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN key_fingerprint text CHECK (key_fingerprint ~ '^[0-9a-f]{16}$'),
    ADD COLUMN code_case text NOT NULL DEFAULT 'exact' CHECK (code_case IN ('exact', 'fold'));

-- Scanners that have installed a snapshot refuse every other UUID.
CREATE FUNCTION tapline_internal.keep_event_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tapline.snapshots) THEN
        RAISE EXCEPTION 'the event keeps its ID %, because a snapshot was published', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_keeps_id BEFORE UPDATE OF id ON tapline.event FOR EACH ROW WHEN (OLD.id <> NEW.id)
    EXECUTE FUNCTION tapline_internal.keep_event_id();

-- The fingerprint of a list that was imported before the event had a name. The event takes it over.
CREATE TABLE tapline_internal.early_event_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    fingerprint text NOT NULL
);
CREATE FUNCTION tapline_internal.take_event_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_fingerprint := coalesce(NEW.key_fingerprint, (SELECT fingerprint FROM tapline_internal.early_event_key));
    RETURN NEW;
END $$;
CREATE TRIGGER event_takes_key BEFORE INSERT ON tapline.event FOR EACH ROW
    EXECUTE FUNCTION tapline_internal.take_event_key();

CREATE OR REPLACE VIEW tapline.event_settings AS
SELECT max(name) AS name, coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start,
    max(id::text)::uuid AS id,
    coalesce(max(key_fingerprint), (SELECT fingerprint FROM tapline_internal.early_event_key)) AS key_fingerprint,
    coalesce(max(code_case), 'exact') AS code_case
FROM tapline.event;

COMMENT ON COLUMN tapline.event.name IS 'Name of the event: a label, which may change.';
COMMENT ON COLUMN tapline.event.id IS 'UUID of the event. Scanners pin it with the first snapshot that carries it.';
COMMENT ON COLUMN tapline.event.key_fingerprint IS
    'Fingerprint of the event key: the first 8 bytes of HMAC-SHA-256(event key, ''tapline event key''). Null until an import or a command proves a key.';
COMMENT ON COLUMN tapline.event_settings.id IS 'UUID of the event; null before the event is set.';
COMMENT ON COLUMN tapline.event_settings.key_fingerprint IS 'Fingerprint of the event key; null if it is not known.';
COMMENT ON COLUMN tapline.event_settings.code_case IS 'How texts of codes are compared: exact or fold.';

INSERT INTO tapline.schema_migrations (version, name) VALUES (12, 'event_identity');
