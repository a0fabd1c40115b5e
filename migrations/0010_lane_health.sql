-- Whether a center is running, what each lane reports of itself, and which snapshots are published.

-- Written by each running center every few seconds, one row for each `--center K/N`.
CREATE TABLE tapline_internal.centers (
    name text PRIMARY KEY,
    alive_at timestamptz NOT NULL,
    stopped boolean NOT NULL DEFAULT false,  -- ended on request
    listened_at timestamptz,                 -- last time at which it consumed the queues of the broker
    listening_since timestamptz,             -- since then some center has consumed them without a pause
    snapshots text,                          -- folder that it serves to scanners
    snapshot_problem text,                   -- why it cannot publish the registration list
    dead_letters bigint,                     -- messages in tapline.dead when it last read the queue
    dead_letters_at timestamptz              -- when that was
);

CREATE FUNCTION tapline_internal.center_gone_after() RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT interval '15 seconds' $$;

CREATE FUNCTION tapline_internal.center_is_alive(center text, listens boolean, folder text, dead bigint DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO tapline_internal.centers AS c (name, alive_at, snapshots, dead_letters, dead_letters_at, listened_at,
        listening_since)
    VALUES (center, now(), folder, dead, CASE WHEN dead IS NOT NULL THEN now() END, CASE WHEN listens THEN now() END, CASE WHEN listens THEN coalesce((
        SELECT min(o.listening_since) FROM tapline_internal.centers o
        WHERE NOT o.stopped AND o.listened_at > now() - tapline_internal.center_gone_after()), now()) END)
    ON CONFLICT (name) DO UPDATE SET alive_at = excluded.alive_at, stopped = false, snapshots = excluded.snapshots,
        dead_letters = coalesce(dead, c.dead_letters),
        dead_letters_at = coalesce(excluded.dead_letters_at, c.dead_letters_at),
        listened_at = coalesce(excluded.listened_at, c.listened_at),
        listening_since = coalesce(excluded.listening_since, c.listening_since)
$$;

-- `heard_until`: a scanner could be heard until then.
CREATE VIEW tapline.center_state AS
SELECT state, since, centers, CASE state WHEN 'running' THEN now() ELSE coalesce(listened_at,
        (SELECT max(last_received_at) FROM tapline.journals)) END AS heard_until,
    CASE state WHEN 'running' THEN 'a center is running since ' || since_text
        WHEN 'no broker' THEN 'the center has ' || coalesce('no broker connection since ' || since_text,
            'not reached the broker yet')
        WHEN 'stopped' THEN 'no center is running since ' || since_text ELSE 'no center has run yet' END AS message
FROM (
    SELECT *, to_char(since AT TIME ZONE e.time_zone, 'YYYY-MM-DD HH24:MI:SS') AS since_text
    FROM (
        SELECT CASE WHEN listening > 0 THEN 'running' WHEN centers > 0 THEN 'no broker'
                WHEN seen_at IS NULL THEN 'never run' ELSE 'stopped' END AS state,
            CASE WHEN listening > 0 THEN listening_since WHEN centers > 0 THEN listened_at ELSE seen_at END AS since, *
        FROM (
            SELECT count(*) FILTER (WHERE alive) AS centers, count(*) FILTER (WHERE listens) AS listening,
                max(alive_at) AS seen_at, max(listened_at) AS listened_at,
                min(listening_since) FILTER (WHERE listens) AS listening_since
            FROM (SELECT *, alive AND coalesce(listened_at > now() - tapline_internal.center_gone_after(), false)
                    AS listens
                FROM (SELECT *, NOT stopped AND alive_at > now() - tapline_internal.center_gone_after() AS alive
                    FROM tapline_internal.centers) each) each
        ) sums
    ) facts CROSS JOIN tapline.event_settings e
) texts;

-- A publisher sends a heartbeat at least every 15 s. A scanner counts as silent after four missed ones.
CREATE FUNCTION tapline_internal.silent_after() RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT interval '60 seconds' $$;

-- Silence counts only while a center listens. `silent` is as of `heard_until`: what was silent before a center stopped
-- stays so, and no other scanner becomes silent.
CREATE VIEW tapline.scanner_overview AS
SELECT s.id AS scanner_id, s.enabled, coalesce(j.gate_id, s.gate_id) AS gate_id, j.id AS journal_id, j.log,
    j.last_received_at, j.backlog, j.snapshot_version, j.clock_skew, j.state,
    s.enabled AND (j.id IS NULL OR coalesce(j.last_received_at < c.heard_until - tapline_internal.silent_after()
        AND (c.state <> 'running' OR c.since < now() - tapline_internal.silent_after()), false)) AS silent,
    s.enabled AND c.state = 'running' AND c.since >= now() - tapline_internal.silent_after()
        AND coalesce(j.last_received_at < now() - tapline_internal.silent_after(), false) AS awaited,
    c.state AS center, least(j.known_until, j.last_received_at) AS known_until
FROM tapline.scanners s CROSS JOIN tapline.center_state c
LEFT JOIN (
    SELECT DISTINCT ON (scanner_id) * FROM tapline.journals ORDER BY scanner_id, last_received_at DESC, id DESC
) j ON j.scanner_id = s.id;

-- The condition of a scanner: one word for the worst that is known of it.
CREATE FUNCTION tapline_internal.scanner_condition(enabled boolean, heard boolean, silent boolean, center text,
    awaited boolean, state jsonb, clock_wrong boolean, gaps bigint, outdated boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN NOT enabled THEN 'disabled' WHEN NOT heard THEN 'NEVER HEARD' WHEN silent THEN 'SILENT'
        WHEN center <> 'running' THEN 'NO CENTER' WHEN awaited THEN 'AWAITED'
        WHEN state ->> 'gate' = 'stopped' THEN 'LANE DOWN'
        WHEN 'reader' = ANY (alarms) OR state ->> 'reader' LIKE '% (%' THEN 'READER'
        WHEN 'turnstile' = ANY (alarms) OR state ->> 'turnstile' <> 'ok' THEN 'TURNSTILE'
        WHEN state ->> 'mode' = 'closed' THEN 'CLOSED' WHEN state ->> 'mode' = 'free' THEN 'FREE'
        WHEN 'disk' = ANY (alarms) OR 'journal' = ANY (alarms) THEN 'DISK'
        WHEN 'clock' = ANY (alarms) OR clock_wrong THEN 'CLOCK'
        WHEN cardinality(alarms) > 0 THEN 'ALARM'
        WHEN gaps > 0 THEN 'GAPS' WHEN outdated THEN 'OUTDATED'
        WHEN state ? 'gate' THEN 'ok' ELSE 'UNREPORTED' END
    FROM string_to_array(coalesce(state ->> 'alarms', ''), ' ') AS alarms
$$;

-- All conditions, the worst first.
CREATE FUNCTION tapline_internal.scanner_conditions() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY['NEVER HEARD', 'SILENT', 'NO CENTER', 'AWAITED', 'LANE DOWN', 'READER', 'TURNSTILE', 'CLOSED', 'FREE',
        'DISK', 'CLOCK', 'ALARM', 'GAPS', 'OUTDATED', 'UNREPORTED', 'ok', 'disabled']
$$;

-- Sort key: 1 is the worst.
-- RETURN: a text would be read as the caller, who may have no access to tapline_internal.
CREATE FUNCTION tapline.condition_place(condition text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_position(tapline_internal.scanner_conditions(), condition);

-- Only a published snapshot makes others outdated. Where none is known as published, the newest one counts.
CREATE FUNCTION tapline_internal.published_version() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(version) FILTER (WHERE published_at IS NOT NULL), max(version)) FROM tapline.snapshots
$$;

CREATE VIEW tapline.scanner_health AS
SELECT *, tapline_internal.scanner_condition(enabled, last_received_at IS NOT NULL, silent, center, awaited, state,
        clock_wrong, gaps, snapshot_outdated) AS condition,
    state ->> 'gate' AS gate_program, state ->> 'mode' AS mode,
    (SELECT string_agg(text.value, '; ' ORDER BY text.key) FROM jsonb_each_text(state) text
        WHERE text.key LIKE 'alarm.%') AS alarms
FROM (
    SELECT l.scanner_id, l.enabled, g.name AS gate, l.silent, l.last_received_at,
        now() - l.last_received_at AS silence, l.backlog, l.snapshot_version,
        now() - coalesce(s.created_at, CASE WHEN l.snapshot_version > 0 THEN to_timestamp(l.snapshot_version) END)
            AS snapshot_age,
        coalesce(l.snapshot_version < (SELECT tapline_internal.published_version()), false) AS snapshot_outdated,
        l.clock_skew, coalesce(abs(extract(epoch FROM l.clock_skew)) > 300, false) AS clock_wrong,
        -- A faulty device may claim 2^53 scans in each of its journals. The limit prevents an overflow.
        least(coalesce(gaps.missing, 0), 9007199254740991)::bigint AS gaps, coalesce(sums.stored, 0)::bigint AS stored,
        coalesce(sums.duplicates, 0)::bigint AS duplicates, coalesce(sums.conflicts, 0)::bigint AS conflicts,
        coalesce(q.batches, 0)::bigint AS quarantined, l.state, l.log, l.journal_id, l.awaited, l.center
    FROM tapline.scanner_overview l
    LEFT JOIN tapline.gates g ON g.id = l.gate_id
    LEFT JOIN tapline.snapshots s ON s.version = l.snapshot_version
    LEFT JOIN (SELECT scanner_id, sum(missing) AS missing FROM tapline.seq_gaps GROUP BY scanner_id) gaps
        ON gaps.scanner_id = l.scanner_id
    LEFT JOIN (
        SELECT scanner_id, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts
        FROM tapline.journals GROUP BY scanner_id
    ) sums ON sums.scanner_id = l.scanner_id
    LEFT JOIN tapline_internal.quarantined q ON q.scanner_id = l.scanner_id
) health
ORDER BY scanner_id;

INSERT INTO tapline.schema_migrations (version, name) VALUES (10, 'lane_health');
