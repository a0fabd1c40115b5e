-- Erasure of personal data. A row of an attendee stays, without name, reference and category: scans and counts belong to
-- its tags. docs/operating/privacy.md says where names are stored besides.

ALTER TABLE tapline.attendees
    ADD COLUMN listed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN names_erased_at timestamptz,
    ADD CONSTRAINT attendees_erased CHECK (names_erased_at IS NULL
        OR name = '' AND category IS NULL AND external_ref IS NULL AND status = 'void');
COMMENT ON COLUMN tapline.attendees.listed_at IS 'When the row was made; for rows of older programs: the migration';
COMMENT ON COLUMN tapline.attendees.names_erased_at IS
    'When name, category and reference were erased; null: not erased. Snapshots leave out tags of erased people';

-- The update of status makes the centers publish a snapshot.
CREATE FUNCTION tapline_internal.erase_attendees(people bigint[]) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    -- The trigger of the change fires for a statement without rows, too.
    IF NOT EXISTS (SELECT FROM tapline.attendees WHERE id = ANY (people) AND names_erased_at IS NULL) THEN
        RETURN 0;
    END IF;
    UPDATE tapline.attendees
    SET name = '', category = NULL, external_ref = NULL, status = 'void', names_erased_at = now()
    WHERE id = ANY (people) AND names_erased_at IS NULL;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
COMMENT ON FUNCTION tapline_internal.erase_attendees(bigint[]) IS
    'Erases name, category and reference of people, and makes them void. Returns how many were not erased before';

-- People whose names are not needed any more at a time: listed before it, no passage since it, and either all access of
-- the pass ended before it, or the site is quiet since it. Quiet: no scan has arrived. A list that is imported after the
-- last scan is for another event, so a quiet site does not erase it. Access that ends later protects a person always.
CREATE FUNCTION tapline_internal.names_before(until timestamptz) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.id
    FROM tapline.attendees a
    CROSS JOIN (SELECT max(last_received_at) AS at FROM tapline.journals WHERE last_received_at IS NOT NULL) last_scan
    LEFT JOIN (SELECT pass_id, max(coalesce(valid_until, 'infinity')) AS until FROM tapline.access GROUP BY pass_id) access
        ON access.pass_id = a.pass_id
    WHERE a.names_erased_at IS NULL AND a.listed_at < names_before.until
        AND NOT EXISTS (SELECT FROM tapline.tags t JOIN tapline_internal.tag_positions p ON p.tag_id = t.tag_id
            WHERE t.attendee_id = a.id AND p.ordered_at >= names_before.until)
        AND (access.until < names_before.until
            OR coalesce(access.until, 'infinity') = 'infinity' AND last_scan.at < names_before.until
                AND a.listed_at <= last_scan.at)
$$;
COMMENT ON FUNCTION tapline_internal.names_before(timestamptz) IS
    'Attendees whose names are not needed any more: listed before the time, no passage since, and their access ended '
    'before it, or no scan of anybody has arrived since';

INSERT INTO tapline.schema_migrations (version, name) VALUES (25, 'privacy');
