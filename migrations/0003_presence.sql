-- Where each tag is now. Written by the center in the transaction that stores the scans; the triggers below keep it right
-- when the registry changes after the scan. A pure function of scans, tags and gates.

CREATE TABLE tapline.presence (
    tag_id bigint PRIMARY KEY,
    attendee_id bigint,
    zone_id smallint,  -- null: off site
    since timestamptz NOT NULL,
    scanner_id text NOT NULL,
    gate_id bigint,
    direction smallint NOT NULL CHECK (direction IN (0, 1)),  -- 0 in, 1 out
    -- The scan's place in the order of a tag's scans: (least(scanned_at, received_at), log, seq).
    ordered_at timestamptz NOT NULL,
    log uuid NOT NULL,
    seq bigint NOT NULL,
    journal_id bigint NOT NULL
) WITH (fillfactor = 70);

-- The center holds this lock shared while it turns new scans into rows by the registry it sees; a change of the registry
-- holds it alone until its commit. So neither misses the other: the center reads the new registry, or the trigger the new row.
CREATE FUNCTION tapline.lock_presence() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(92703854297089) $$;

CREATE FUNCTION tapline.presence_follows_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tapline.lock_presence();
    -- Rows are locked in the order in which the center locks them.
    PERFORM FROM tapline.presence WHERE tag_id IN (SELECT tag_id FROM changed) ORDER BY tag_id FOR UPDATE;
    UPDATE tapline.presence p
    SET attendee_id = (SELECT t.attendee_id FROM tapline.tags t WHERE t.tag_id = p.tag_id)
    WHERE p.tag_id IN (SELECT tag_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER presence_insert AFTER INSERT ON tapline.tags REFERENCING NEW TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_tags();
CREATE TRIGGER presence_update AFTER UPDATE ON tapline.tags REFERENCING NEW TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_tags();
CREATE TRIGGER presence_delete AFTER DELETE ON tapline.tags REFERENCING OLD TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_tags();

CREATE FUNCTION tapline.presence_follows_gates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tapline.lock_presence();
    PERFORM FROM tapline.presence WHERE gate_id IN (SELECT id FROM changed) ORDER BY tag_id FOR UPDATE;
    UPDATE tapline.presence p
    SET zone_id = (
        SELECT CASE p.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END FROM tapline.gates g WHERE g.id = p.gate_id)
    WHERE p.gate_id IN (SELECT id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER presence_insert AFTER INSERT ON tapline.gates REFERENCING NEW TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_gates();
CREATE TRIGGER presence_update AFTER UPDATE ON tapline.gates REFERENCING NEW TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_gates();
CREATE TRIGGER presence_delete AFTER DELETE ON tapline.gates REFERENCING OLD TABLE AS changed
    EXECUTE FUNCTION tapline.presence_follows_gates();

-- The nearest earlier verdict-0 scan of its tag in its journal is what a verdict 64 annuls. Nearly always it stands one or
-- two seqs before: the settings make the planner walk the index backwards instead of sorting a journal.
CREATE FUNCTION tapline.annulled_seq(journal bigint, annulment bigint, tag bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET enable_bitmapscan = off SET enable_sort = off SET enable_seqscan = off AS $$
    SELECT seq FROM tapline.scans
    WHERE journal_id = journal AND seq < annulment AND tag_id = tag AND verdict = 0
    ORDER BY seq DESC LIMIT 1
$$;

CREATE VIEW tapline.annulled_scans AS
SELECT DISTINCT journal_id, tapline.annulled_seq(journal_id, seq, tag_id) AS seq
FROM tapline.scans WHERE verdict = 64;

-- Scans that moved somebody: admitted, not annulled, no inspection. (<> 16, not = 0: the planner takes an equality for rare.)
CREATE VIEW tapline.passages AS
SELECT s.journal_id, s.seq, s.tag_id, s.gate_id, s.flags & 1 AS direction, s.flags, s.scanned_at, s.received_at,
    least(s.scanned_at, s.received_at) AS ordered_at
FROM tapline.scans s
WHERE s.verdict = 0 AND s.flags & 16 <> 16 AND s.tag_id <> 0
    AND NOT EXISTS (
        SELECT FROM tapline.annulled_scans x WHERE x.journal_id = s.journal_id AND x.seq = s.seq);

INSERT INTO tapline.schema_migrations (version, name) VALUES (3, 'presence');
