-- People admitted twice, kept by the center: found anew for a day when scans of it were tracked, at a pace that costs at most a
-- twentieth of a core. The view's columns stay as they were.

CREATE TABLE tapline.kept_double_admissions (
    attendee_id bigint,  -- null: a tag that nobody is registered for
    zone_id smallint NOT NULL,
    first_gate_id bigint NOT NULL,
    first_at timestamptz NOT NULL,
    first_tag_id bigint NOT NULL,
    first_journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    gate_id bigint NOT NULL,
    at timestamptz NOT NULL,
    tag_id bigint NOT NULL,
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX kept_double_admissions_at ON tapline.kept_double_admissions (at);

-- Instants in event days that must be looked at again; written in the transaction that changes them.
CREATE TABLE tapline.double_admissions_due (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instant timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The first start of an event day after an instant.
CREATE FUNCTION tapline.day_end(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT min(next) FROM (SELECT tapline.day_start(at + h * interval '1 hour') AS next FROM generate_series(12, 49) h) each
    WHERE next > at
$$;

-- By definition: of one person in one event day, two admissions into one zone that follow each other, with no way out and no
-- annulment between; of the scans from `since` to `beyond`.
CREATE FUNCTION tapline.find_double_admissions(since timestamptz, beyond timestamptz) RETURNS SETOF tapline.kept_double_admissions
LANGUAGE sql STABLE AS $$
    SELECT w.attendee_id, w.zone_id, w.first_gate_id, w.first_at, w.first_tag_id, w.first_journal_id, w.first_seq,
        w.gate_id, w.ordered_at, w.tag_id, w.journal_id, w.seq
    FROM (
        SELECT t.attendee_id, p.tag_id, p.direction, g.zone_id, p.gate_id, p.ordered_at, p.journal_id, p.seq,
            lag(p.direction) OVER person AS first_direction, lag(g.zone_id) OVER person AS first_zone_id,
            lag(p.gate_id) OVER person AS first_gate_id, lag(p.ordered_at) OVER person AS first_at,
            lag(p.tag_id) OVER person AS first_tag_id, lag(p.journal_id) OVER person AS first_journal_id,
            lag(p.seq) OVER person AS first_seq
        FROM tapline.passages p
        JOIN tapline.journals j ON j.id = p.journal_id
        LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
        LEFT JOIN tapline.gates g ON g.id = p.gate_id
        CROSS JOIN (
            SELECT coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start
            FROM tapline.event
        ) e
        -- The first condition lets the index skip; the second is the rule.
        WHERE p.received_at >= since AND p.ordered_at >= since AND p.ordered_at < beyond
        WINDOW person AS (
            PARTITION BY t.attendee_id, CASE WHEN t.attendee_id IS NULL THEN p.tag_id END,
                ((p.ordered_at AT TIME ZONE e.time_zone) - e.day_start)::date
            ORDER BY p.ordered_at, j.log, p.seq)
    ) w
    WHERE w.direction = 0 AND w.first_direction = 0 AND w.zone_id = w.first_zone_id
$$;

-- Looks at the event day of an instant, or at all for '-infinity': rows that differed, by kind; with `repair` they are then
-- right. What was found in scans that retention has dropped stays.
CREATE FUNCTION tapline.refresh_double_admissions(instant timestamptz, repair boolean DEFAULT true)
RETURNS TABLE (rows_right bigint, rows_missing bigint, rows_wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    begun constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_start(instant) ELSE '-infinity' END;
    beyond constant timestamptz := CASE WHEN isfinite(instant) THEN tapline.day_end(instant) ELSE 'infinity' END;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tapline.kept_double_admissions'));
    CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM tapline.find_double_admissions(begun, beyond);
    CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM tapline.kept_double_admissions o
        WHERE at >= begun AND at < beyond
            AND EXISTS (SELECT FROM tapline.scans s WHERE s.journal_id = o.journal_id AND s.seq = o.seq);
    ANALYZE found;
    ANALYZE kept;
    SELECT count(*) FILTER (WHERE ROW(f.*) IS NOT DISTINCT FROM ROW(k.*)), count(*) FILTER (WHERE k.seq IS NULL),
        count(*) FILTER (WHERE k.seq IS NOT NULL AND ROW(f.*) IS DISTINCT FROM ROW(k.*))
    INTO rows_right, rows_missing, rows_wrong
    FROM kept k FULL JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq;
    IF repair AND rows_missing + rows_wrong > 0 THEN
        DELETE FROM tapline.kept_double_admissions o USING (
            SELECT k.journal_id, k.seq FROM kept k LEFT JOIN found f ON f.journal_id = k.journal_id AND f.seq = k.seq
            WHERE ROW(f.*) IS DISTINCT FROM ROW(k.*)) gone
        WHERE o.journal_id = gone.journal_id AND o.seq = gone.seq;
        INSERT INTO tapline.kept_double_admissions SELECT * FROM found ON CONFLICT DO NOTHING;
    END IF;
    DROP TABLE found, kept;
    RETURN NEXT;
END $$;

-- As in 0003, and the present day is looked at again.
CREATE OR REPLACE FUNCTION tapline.presence_follows_registry() RETURNS trigger LANGUAGE plpgsql AS $$
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
    INSERT INTO tapline.double_admissions_due (instant) VALUES (now());
    RETURN NULL;
END $$;

CREATE OR REPLACE VIEW tapline.double_admissions AS
SELECT w.attendee_id, a.name, a.external_ref, w.zone_id, z.name AS zone,
    w.first_gate_id, g1.name AS first_gate, w.first_at, j1.scanner_id AS first_scanner_id,
    w.gate_id AS second_gate_id, g2.name AS second_gate, w.at AS second_at, j2.scanner_id AS second_scanner_id,
    w.at - w.first_at AS apart, w.first_tag_id, w.tag_id AS second_tag_id,
    w.first_journal_id, w.first_seq, w.journal_id AS second_journal_id, w.seq AS second_seq
FROM tapline.kept_double_admissions w
LEFT JOIN tapline.attendees a ON a.id = w.attendee_id
JOIN tapline.zones z ON z.id = w.zone_id
LEFT JOIN tapline.gates g1 ON g1.id = w.first_gate_id
LEFT JOIN tapline.gates g2 ON g2.id = w.gate_id
JOIN tapline.journals j1 ON j1.id = w.first_journal_id
JOIN tapline.journals j2 ON j2.id = w.journal_id;

SELECT tapline.refresh_double_admissions('-infinity');

INSERT INTO tapline.schema_migrations (version, name) VALUES (9, 'double_admissions');
