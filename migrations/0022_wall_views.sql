-- Views of the live display: zones and gates, and what is missing in their counts.

-- Scans of a scanner that have not arrived, in the journals heard in the current event day. `until`: the time of the
-- first scan after the last gap.
CREATE VIEW tapline_internal.lane_gaps AS
SELECT scanner_id, least(sum(missing), 9007199254740991)::bigint AS missing, max(CASE WHEN is_tail THEN last_received_at
        ELSE tapline_internal.scan_time_at(journal_id, last_seq + 1) END) AS until
FROM (
    SELECT scanner_id, journal_id, last_received_at, sum(missing) AS missing, max(last_seq) AS last_seq,
        bool_or(kind = 'tail') AS is_tail
    FROM tapline.seq_gaps WHERE last_received_at >= (SELECT tapline.day_start())
    GROUP BY scanner_id, journal_id, last_received_at
) journals GROUP BY scanner_id;

-- Stored scans of a scanner that are not counted yet. A tracker counts them within a second.
CREATE VIEW tapline_internal.lane_queues AS
SELECT j.scanner_id, coalesce(sum(q.last_seq - q.first_seq + 1) FILTER (
        WHERE q.stored_at < now() - interval '5 seconds'), 0)::bigint AS untracked, min(q.earliest) AS since
FROM tapline_internal.tracking_queue q JOIN tapline.journals j ON j.id = q.journal_id GROUP BY j.scanner_id;

-- Batches of a scanner that came into the quarantine in the current event day. Only the newest rows of an owner are read.
CREATE VIEW tapline_internal.lane_quarantine AS
SELECT s.owner AS scanner_id, sum(n.batches)::bigint AS batches, max(n.at) AS at
FROM tapline_internal.quarantine_shares s CROSS JOIN LATERAL (
    SELECT count(*) AS batches, max(last_received_at) AS at FROM (
        SELECT last_received_at, is_heartbeat FROM tapline.quarantine WHERE owner = s.owner ORDER BY id DESC LIMIT 20) newest
    WHERE NOT is_heartbeat AND last_received_at >= (SELECT tapline.day_start())
) n WHERE s.batches > 0 AND n.batches > 0 GROUP BY s.owner;

-- What each lane does, and null while nothing is known: the same as scanner_condition finds, for a tenth of its time.
-- What of its scans is missing in the counts. OFFSET: computed once for each lane.
CREATE VIEW tapline_internal.lanes AS
SELECT l.scanner_id, l.gate_id, l.silent, l.backlog, l.last_received_at, l.known_until,
    NOT l.silent AND coalesce(l.known_until < now() - tapline_internal.silent_after(), false) AS late,
    CASE WHEN l.silent THEN 'silent' WHEN l.center <> 'running' OR l.awaited THEN NULL
        WHEN state ->> 'gate' = 'stopped' OR state ->> 'reader' LIKE '% (%' OR state ->> 'turnstile' <> 'ok'
            OR concat(' ', state ->> 'alarms', ' ') ~ ' (reader|turnstile) ' THEN 'down'
        WHEN state ->> 'mode' IN ('closed', 'free') THEN state ->> 'mode' ELSE 'open' END AS does,
    coalesce(g.missing, 0) AS missing, g.until AS gap_until, coalesce(u.untracked, 0) AS untracked,
    u.since AS untracked_since, coalesce(q.batches, 0) AS quarantined, q.at AS quarantined_at
FROM tapline.scanner_overview l
LEFT JOIN tapline_internal.lane_gaps g ON g.scanner_id = l.scanner_id
LEFT JOIN tapline_internal.lane_queues u ON u.scanner_id = l.scanner_id
LEFT JOIN tapline_internal.lane_quarantine q ON q.scanner_id = l.scanner_id
WHERE l.enabled OFFSET 0;

CREATE VIEW tapline.wall_zones AS
WITH tree AS MATERIALIZED (
    SELECT * FROM tapline_internal.zone_paths()
), within AS MATERIALIZED (
    SELECT unnest(ids) AS zone_id, zone_id AS inner_id FROM tree
), here AS MATERIALIZED (
    SELECT * FROM tapline_internal.people_by_zone
), total AS (
    SELECT w.zone_id, sum(h.people) AS people FROM within w JOIN here h ON h.zone_id = w.inner_id GROUP BY w.zone_id
), lanes AS MATERIALIZED (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent, count(*) FILTER (WHERE late) AS late,
        sum(backlog) AS unsent, nullif(min(known_until) FILTER (WHERE NOT silent), '-infinity') AS heard_at,
        sum(missing) AS missing, sum(untracked) AS untracked, sum(quarantined) AS quarantined
    FROM tapline_internal.lanes GROUP BY gate_id
), heard AS (
    -- As in live_zones: the lanes that the count of a zone depends on.
    SELECT d.zone_id, sum(l.lanes)::bigint AS lanes, sum(l.silent)::bigint AS silent, sum(l.late)::bigint AS late,
        sum(l.unsent)::bigint AS unsent, min(l.heard_at) AS heard_at, sum(l.missing)::bigint AS missing,
        sum(l.untracked)::bigint AS untracked, sum(l.quarantined)::bigint AS quarantined
    FROM (SELECT DISTINCT w.zone_id, g.id AS gate_id
        FROM tapline.gates g JOIN within w ON w.inner_id IN (g.zone_id, g.from_zone_id)) d
    JOIN lanes l ON l.gate_id = d.gate_id GROUP BY d.zone_id
), net AS (
    -- A gate between two zones of the same outer one adds and subtracts there.
    SELECT w.zone_id, sum(f.people) AS people
    FROM (
        SELECT CASE side WHEN 1 THEN g.zone_id ELSE g.from_zone_id END AS zone_id,
            side * (f.passed_in - f.passed_out) AS people
        FROM tapline.gate_minutes f JOIN tapline.gates g ON g.id = f.gate_id CROSS JOIN (VALUES (1), (-1)) AS s(side)
        WHERE f.minute >= date_trunc('minute', now()) - interval '15 minutes'
    ) f JOIN within w ON w.inner_id = f.zone_id GROUP BY w.zone_id
), counted AS (
    SELECT z.*, tree.path, coalesce(here.people, 0)::bigint AS inside, coalesce(total.people, 0)::bigint AS inside_total,
        coalesce(heard.lanes, 0) AS lanes, coalesce(heard.silent, 0) AS lanes_silent, heard.unsent, heard.heard_at,
        coalesce(heard.late, 0) AS lanes_late, coalesce(heard.missing, 0) AS missing,
        coalesce(heard.untracked, 0) AS untracked, coalesce(heard.quarantined, 0) AS quarantined,
        (coalesce(net.people, 0) * 4)::bigint AS net_hour
    FROM tapline.zones z
    JOIN tree ON tree.zone_id = z.id
    LEFT JOIN here ON here.zone_id = z.id
    LEFT JOIN total ON total.zone_id = z.id
    LEFT JOIN heard ON heard.zone_id = z.id
    LEFT JOIN net ON net.zone_id = z.id
)
SELECT id AS zone_id, name, parent_id, cardinality(path) - 1 AS depth, path, inside, inside_total, capacity,
    inside_total * 100 / nullif(capacity, 0) AS percent, busy_percent, full_percent,
    CASE WHEN capacity IS NULL THEN 'uncapped' WHEN inside_total * 100 >= capacity::bigint * full_percent THEN 'full'
        WHEN inside_total * 100 >= capacity::bigint * busy_percent THEN 'busy' ELSE 'go' END AS level,
    lanes, lanes_silent, unsent, heard_at, net_hour,
    CASE WHEN inside_total >= capacity THEN 0 WHEN net_hour > 0
        THEN ceil((capacity - inside_total) * 60.0 / net_hour)::bigint END AS full_in_minutes,
    lanes_late, missing, untracked, quarantined
FROM counted ORDER BY path;

CREATE VIEW tapline.wall_gates AS
WITH flow AS (
    SELECT gate_id, sum(passed_in)::bigint AS in_today, sum(passed_out)::bigint AS out_today,
        sum(refused)::bigint AS refused_today, sum(passed_in) FILTER (WHERE recent)::bigint AS in_minute,
        sum(passed_out) FILTER (WHERE recent)::bigint AS out_minute, sum(refused) FILTER (WHERE recent)::bigint AS refused_minute,
        max(last_at) AS last_at
    FROM (SELECT *, slot > now() - interval '1 minute' AS recent FROM tapline_internal.gate_flow
          WHERE slot >= date_trunc('minute', (SELECT tapline.day_start()))) f
    GROUP BY gate_id
), lanes AS (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE does = 'open') AS open, count(*) FILTER (WHERE does = 'free') AS free,
        count(*) FILTER (WHERE does = 'closed') AS closed, count(*) FILTER (WHERE silent) AS silent, count(does) > 0 AS known
    FROM tapline_internal.lanes GROUP BY gate_id
)
SELECT g.id AS gate_id, g.name, z.name AS zone, o.name AS from_zone, coalesce(in_minute, 0) AS in_minute,
    coalesce(out_minute, 0) AS out_minute, coalesce(refused_minute, 0) AS refused_minute,
    coalesce(in_today, 0) AS in_today, coalesce(out_today, 0) AS out_today, coalesce(refused_today, 0) AS refused_today,
    coalesce(l.lanes, 0) AS lanes, CASE WHEN known THEN l.open WHEN l.lanes IS NULL THEN 0 END AS lanes_open,
    CASE WHEN known THEN l.free WHEN l.lanes IS NULL THEN 0 END AS lanes_free,
    CASE WHEN known THEN l.closed WHEN l.lanes IS NULL THEN 0 END AS lanes_closed, coalesce(l.silent, 0) AS lanes_silent, last_at
FROM tapline.gates g
JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones o ON o.id = g.from_zone_id
LEFT JOIN flow ON flow.gate_id = g.id
LEFT JOIN lanes l ON l.gate_id = g.id
ORDER BY g.name;

COMMENT ON COLUMN tapline.wall_zones.lanes_late IS 'Of the lanes, those whose taps of the last minute are not all here';
COMMENT ON COLUMN tapline.wall_zones.missing IS 'Scans of its lanes that have not arrived, by tapline.seq_gaps';
COMMENT ON COLUMN tapline.wall_zones.untracked IS 'Scans of its lanes stored for over 5 s and not counted yet';
COMMENT ON COLUMN tapline.wall_zones.quarantined IS 'Batches of its lanes in quarantine; at most 20 of a lane';
COMMENT ON COLUMN tapline.wall_gates.lanes_free IS 'Of these, in free flow';
COMMENT ON COLUMN tapline.wall_gates.lanes_closed IS 'Of these, closed by an operator';
COMMENT ON COLUMN tapline.wall_gates.lanes_silent IS 'Of these, silent';
COMMENT ON COLUMN tapline.wall_gates.last_at IS 'Last tap';

INSERT INTO tapline_internal.objects_without_names VALUES
    ('wall_zones'), ('wall_gates');

INSERT INTO tapline.schema_migrations (version, name) VALUES (22, 'wall_views');
