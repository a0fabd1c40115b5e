-- Live display: thresholds of zones and the alarm of gates at a sudden drop, people by zone, lanes, fleet and
-- arrivals. A snapshot has none of the settings, so a change of them publishes no snapshot.

ALTER TABLE tapline.zones
    ADD COLUMN busy_percent smallint NOT NULL DEFAULT 80 CONSTRAINT zones_busy_percent_check
        CHECK (busy_percent BETWEEN 1 AND 1000),
    ADD COLUMN full_percent smallint NOT NULL DEFAULT 95 CONSTRAINT zones_full_percent_check
        CHECK (full_percent BETWEEN 1 AND 1000),
    ADD CONSTRAINT zones_thresholds_check CHECK (busy_percent <= full_percent);

ALTER TABLE tapline.gates
    ADD COLUMN drop_percent smallint DEFAULT 20 CONSTRAINT gates_drop_percent_check  -- null: no alarm
        CHECK (drop_percent BETWEEN 1 AND 100),
    ADD COLUMN drop_interval interval NOT NULL DEFAULT '5 minutes' CONSTRAINT gates_drop_interval_check
        CHECK (drop_interval BETWEEN '1 minute' AND '60 minutes'
            AND date_trunc('minute', drop_interval) = drop_interval),
    ADD COLUMN drop_minimum integer NOT NULL DEFAULT 30 CONSTRAINT gates_drop_minimum_check
        CHECK (drop_minimum BETWEEN 1 AND 1000000);

-- The tags of attendees with more than one tag: only these must be compared to count people. Kept by triggers, also for
-- plain SQL, checked by rebuild_flow. Tags of an attendee who is left with one tag stay: they count right, too.
CREATE TABLE tapline_internal.shared_tags (
    tag_id bigint PRIMARY KEY REFERENCES tapline.tags ON DELETE CASCADE ON UPDATE CASCADE,
    attendee_id bigint NOT NULL
);
INSERT INTO tapline_internal.shared_tags
SELECT tag_id, attendee_id FROM tapline.tags
WHERE attendee_id IN (SELECT attendee_id FROM tapline.tags GROUP BY attendee_id HAVING count(*) > 1);

CREATE FUNCTION tapline_internal.note_shared_tags() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    people constant bigint[] := ARRAY(SELECT attendee_id FROM added);
BEGIN
    PERFORM tapline_internal.take_turns(people);
    INSERT INTO tapline_internal.shared_tags
    SELECT tag_id, attendee_id FROM tapline.tags WHERE attendee_id IN (
        SELECT attendee_id FROM tapline.tags WHERE attendee_id = ANY (people) GROUP BY 1 HAVING count(*) > 1)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER note_shared_added AFTER INSERT ON tapline.tags REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tapline_internal.note_shared_tags();
-- Once for each statement: one UPDATE may move thousands of tags.
CREATE FUNCTION tapline_internal.note_moved_tags() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    people constant bigint[] := ARRAY(SELECT m.attendee_id FROM moved m LEFT JOIN former f USING (tag_id)
        WHERE f.attendee_id IS DISTINCT FROM m.attendee_id);
BEGIN
    PERFORM tapline_internal.take_turns(people);
    INSERT INTO tapline_internal.shared_tags
    SELECT tag_id, attendee_id FROM tapline.tags WHERE attendee_id = ANY (people)
    ON CONFLICT (tag_id) DO UPDATE SET attendee_id = excluded.attendee_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_shared_moved AFTER UPDATE ON tapline.tags REFERENCING OLD TABLE AS former NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION tapline_internal.note_moved_tags();

-- People by the zone of their last passage in the current event day; null: off site. As live_delegates counts, without
-- names and without a comparison of people with one tag.
CREATE VIEW tapline_internal.people_by_zone AS
WITH day AS MATERIALIZED (
    SELECT tapline.day_start() AS since
), tags AS (
    SELECT gate_id, direction, count(*) AS people FROM tapline_internal.tag_positions
    WHERE ordered_at >= (SELECT since FROM day) GROUP BY gate_id, direction
    UNION ALL
    SELECT gate_id, direction, -count(*)
    FROM (
        SELECT p.gate_id, p.direction, row_number() OVER (
            PARTITION BY s.attendee_id ORDER BY p.ordered_at DESC, j.log DESC, p.seq DESC) AS place
        FROM tapline_internal.shared_tags s
        JOIN tapline_internal.tag_positions p ON p.tag_id = s.tag_id
        LEFT JOIN tapline.journals j ON j.id = p.journal_id
        WHERE p.ordered_at >= (SELECT since FROM day)
    ) earlier WHERE place > 1 GROUP BY gate_id, direction
)
SELECT CASE t.direction WHEN 0 THEN g.zone_id ELSE g.from_zone_id END AS zone_id, sum(people)::bigint AS people
FROM tags t LEFT JOIN tapline.gates g ON g.id = t.gate_id
GROUP BY 1;

-- People that are expected or have arrived: attendees, and tags without an attendee.
CREATE VIEW tapline_internal.arrivals AS
WITH seen AS MATERIALIZED (
    SELECT t.attendee_id, t.tag_id IS NULL AS is_unknown
    FROM tapline_internal.tag_positions p LEFT JOIN tapline.tags t ON t.tag_id = p.tag_id
    WHERE p.ordered_at >= (SELECT tapline.day_start())
)
SELECT a.category, a.pass_id, h.attendee_id IS NOT NULL AS has_arrived,
    a.status = 'active' AND a.pass_id IS NOT NULL AS is_expected
FROM tapline.attendees a
LEFT JOIN (SELECT DISTINCT attendee_id FROM seen) h ON h.attendee_id = a.id
UNION ALL
SELECT NULL, NULL, true, false FROM seen WHERE is_unknown;

CREATE VIEW tapline.arrivals_by_category AS
SELECT category, count(*) FILTER (WHERE has_arrived) AS arrived, count(*) FILTER (WHERE is_expected) AS expected
FROM tapline_internal.arrivals GROUP BY category HAVING bool_or(has_arrived OR is_expected)
ORDER BY expected DESC, category;

CREATE VIEW tapline.arrivals_by_pass AS
SELECT a.pass_id, p.name AS pass, a.arrived, a.expected
FROM (SELECT pass_id, count(*) FILTER (WHERE has_arrived) AS arrived, count(*) FILTER (WHERE is_expected) AS expected
    FROM tapline_internal.arrivals GROUP BY pass_id HAVING bool_or(has_arrived OR is_expected)) a
LEFT JOIN tapline.passes p ON p.id = a.pass_id
ORDER BY expected DESC, pass;

-- Times in the JSON of the live display.
CREATE FUNCTION tapline_internal.utc_text(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END
$$;

-- The states of a scanner on the live display, the worst first.
CREATE FUNCTION tapline_internal.fleet_order() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY['never-heard', 'silent', 'no-center', 'awaited', 'lane-down', 'reader', 'turnstile', 'closed', 'free',
        'disk', 'clock', 'alarm', 'gaps', 'old-list', 'catching-up', 'unreported', 'live', 'disabled']
$$;

-- `catching-up`: scanner_health has nothing to say, and a backlog is left. A lane in use has a few scans under way.
CREATE VIEW tapline.fleet_states AS
SELECT scanner_id, gate, state, array_position(tapline_internal.fleet_order(), state) AS place, backlog,
    last_received_at, unsent_since
FROM (
    SELECT h.scanner_id, h.gate, h.backlog, h.last_received_at, CASE WHEN h.backlog > 0 THEN (
            SELECT coalesce(tapline_internal.scan_time_at(j.id, j.last_seq), j.retired_at) FROM tapline.journals j
            WHERE j.id = h.journal_id AND j.last_seq > 0) END AS unsent_since,
        CASE WHEN h.condition IN ('ok', 'UNREPORTED') AND h.backlog >= 20 THEN 'catching-up'
            WHEN h.condition = 'ok' THEN 'live' WHEN h.condition = 'OUTDATED' THEN 'old-list'
            ELSE replace(lower(h.condition), ' ', '-') END AS state
    FROM tapline.scanner_health h
) each
ORDER BY scanner_id;

-- plpgsql keeps the plan, which takes as long as the query.
CREATE FUNCTION tapline_internal.live_fleet() RETURNS SETOF tapline.fleet_states LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT * FROM tapline.fleet_states;
END $$;

COMMENT ON COLUMN tapline.zones.busy_percent IS 'Percentage of the capacity from which the zone is busy';
COMMENT ON COLUMN tapline.zones.full_percent IS
    'Percentage of the capacity from which the zone is full; at least busy_percent';
COMMENT ON COLUMN tapline.gates.drop_percent IS
    'Alarm if the flow drops by this percentage from one interval to the next; null: no alarm';
COMMENT ON COLUMN tapline.gates.drop_interval IS 'Length of the two compared intervals, in whole minutes';
COMMENT ON COLUMN tapline.gates.drop_minimum IS 'No alarm if fewer people passed in the earlier interval';
COMMENT ON VIEW tapline.fleet_states IS 'State of each scanner on the live display';
COMMENT ON COLUMN tapline.fleet_states.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.fleet_states.gate IS 'Gate of its last batch, else its default gate';
COMMENT ON COLUMN tapline.fleet_states.state IS
    'Condition as in scanner_health; live: ok; catching-up: nothing else is wrong, and 20 scans or more are unsent';
COMMENT ON COLUMN tapline.fleet_states.place IS 'Order of the states, 1 is the worst';
COMMENT ON COLUMN tapline.fleet_states.backlog IS 'Scans that it had not sent at its last batch; null: never heard';
COMMENT ON COLUMN tapline.fleet_states.last_received_at IS 'Last batch or heartbeat; null: never heard';
COMMENT ON COLUMN tapline.fleet_states.unsent_since IS
    'Time of its last stored scan if scans are unsent: no unsent one is older';

INSERT INTO tapline_internal.objects_without_names VALUES
    ('fleet_states'), ('arrivals_by_category'), ('arrivals_by_pass');

INSERT INTO tapline.schema_migrations (version, name) VALUES (20, 'live_settings');
