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
-- holds it alone, only while it commits. So neither misses the other: the center reads the new registry, or the trigger the
-- new row. And nobody who leaves a transaction open keeps scans from being stored.
CREATE FUNCTION tapline.lock_presence() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(92703854297089) $$;

-- Deferred to the commit, where the first changed row does the work for all.
CREATE FUNCTION tapline.presence_follows_registry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this constant text := pg_current_xact_id()::text;
BEGIN
    IF current_setting('tapline.presence_followed', true) = this THEN RETURN NULL; END IF;
    PERFORM set_config('tapline.presence_followed', this, true);
    PERFORM tapline.lock_presence();
    UPDATE tapline.presence p SET attendee_id = r.attendee_id, zone_id = r.zone_id
    FROM (
        SELECT q.tag_id, t.attendee_id, CASE q.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END AS zone_id
        FROM tapline.presence q
        LEFT JOIN tapline.tags t ON t.tag_id = q.tag_id
        LEFT JOIN tapline.gates g ON g.id = q.gate_id
    ) r
    WHERE r.tag_id = p.tag_id AND (p.attendee_id, p.zone_id) IS DISTINCT FROM (r.attendee_id, r.zone_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER presence_follows AFTER INSERT OR DELETE OR UPDATE OF tag_id, attendee_id ON tapline.tags
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tapline.presence_follows_registry();
CREATE CONSTRAINT TRIGGER presence_follows AFTER INSERT OR DELETE OR UPDATE OF id, zone_id, from_zone_id ON tapline.gates
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tapline.presence_follows_registry();

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
