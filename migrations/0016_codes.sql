-- One form of texts and codes: names and references in Unicode's NFC, and the event's rule for the case of codes.

COMMENT ON COLUMN tapline.event.code_case IS
    'exact: codes that differ in the case of a letter are different codes. fold: A to Z in codes count as a to z.';

-- Rows of former versions. Of several rows whose names differ in the form only, one gets the name in NFC; the others
-- stay as they are, because names are unique. A reader then still finds each of them.
DO $$
DECLARE
    target record;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has the encoding %, but names need UTF8', current_setting('server_encoding')
            USING HINT = 'export the registration list, create a database with ENCODING ''UTF8'', and import the list';
    END IF;
    UPDATE tapline.event SET name = normalize(name, NFC) WHERE name IS NOT NFC NORMALIZED;
    UPDATE tapline.attendees SET name = normalize(name, NFC) WHERE name IS NOT NFC NORMALIZED;
    UPDATE tapline.attendees SET category = normalize(category, NFC) WHERE category IS NOT NFC NORMALIZED;
    FOR target IN SELECT * FROM (VALUES
        ('zones', 'name'), ('gates', 'name'), ('passes', 'name'), ('attendees', 'external_ref')) AS t(name, col)
    LOOP
        EXECUTE format($sql$
            UPDATE tapline.%1$I SET %2$I = normalize(%2$I, NFC) WHERE id IN (
                SELECT DISTINCT ON (normalize(%2$I, NFC)) id FROM tapline.%1$I
                WHERE %2$I IS NOT NFC NORMALIZED
                    AND NOT EXISTS (SELECT FROM tapline.%1$I same WHERE same.%2$I = normalize(%1$I.%2$I, NFC))
                ORDER BY normalize(%2$I, NFC), id)
            $sql$, target.name, target.col);
    END LOOP;
END $$;

-- Texts are compared by their bytes, so the same text must be stored in one form, whatever program writes it. The
-- condition of each trigger is checked without a call of the function, which a large import would feel.
CREATE FUNCTION tapline_internal.normalise_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := normalize(NEW.name, NFC);
    RETURN NEW;
END $$;

CREATE FUNCTION tapline_internal.normalise_attendee() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := normalize(NEW.name, NFC);
    NEW.category := normalize(NEW.category, NFC);
    NEW.external_ref := normalize(NEW.external_ref, NFC);
    RETURN NEW;
END $$;

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['event', 'zones', 'gates', 'passes'] LOOP
        EXECUTE format('CREATE TRIGGER normalise_name BEFORE INSERT OR UPDATE OF name ON tapline.%I
            FOR EACH ROW WHEN (NEW.name IS NOT NFC NORMALIZED)
            EXECUTE FUNCTION tapline_internal.normalise_name()', target);
    END LOOP;
END $$;

CREATE TRIGGER normalise_attendee BEFORE INSERT OR UPDATE OF name, category, external_ref ON tapline.attendees
    FOR EACH ROW
    WHEN (NEW.name IS NOT NFC NORMALIZED OR NEW.category IS NOT NFC NORMALIZED
        OR NEW.external_ref IS NOT NFC NORMALIZED)
    EXECUTE FUNCTION tapline_internal.normalise_attendee();

INSERT INTO tapline.schema_migrations (version, name) VALUES (16, 'codes');
