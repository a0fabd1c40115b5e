-- Tracking beside the ingest: who stores scans only notes which are new, and a tracker folds them at its own pace, within a
-- second, into presence, annulments and flow. All three are pure functions of scans, tags and gates.

-- Scans that are stored and not tracked yet, a row for each run of seqs, written in the transaction that stores them and
-- deleted in the one that tracks them: so each scan is tracked exactly once, whoever ends in between.
CREATE TABLE tapline.untracked (
    journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL CHECK (last_seq >= first_seq),
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (journal_id, first_seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 100000);

-- Room beside each row for its next versions: while scans pour in, the old ones are still seen by who stores them, and without
-- room each move of a tag would cost an index entry.
ALTER TABLE tapline.presence SET (fillfactor = 30);

-- What a verdict 64 annuls.
CREATE TABLE tapline.annulled (
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
INSERT INTO tapline.annulled SELECT journal_id, seq FROM tapline.annulled_scans WHERE seq IS NOT NULL;
CREATE OR REPLACE VIEW tapline.annulled_scans AS SELECT journal_id, seq FROM tapline.annulled;

-- What happened at each gate, by the time of the tap. A slot begins at a whole minute; of what is tracked within two minutes
-- of the tap, at ten whole seconds: the last minute is known so exactly.
CREATE TABLE tapline.gate_flow (
    gate_id bigint NOT NULL,
    slot timestamptz NOT NULL,
    passed_in bigint NOT NULL DEFAULT 0,   -- admitted, not annulled, no inspection
    passed_out bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,     -- verdicts 1 to 63, no inspection
    annulled bigint NOT NULL DEFAULT 0,    -- verdict 64
    untapped bigint NOT NULL DEFAULT 0,    -- verdicts 133 and 134
    last_at timestamptz,                   -- of the last tap
    PRIMARY KEY (gate_id, slot)
) WITH (fillfactor = 70);
CREATE INDEX gate_flow_slot ON tapline.gate_flow (slot);

-- One scan as flow; what `tapline.rebuild_tracking` sums, and what the tracker counts in memory.
CREATE VIEW tapline.scan_flow AS
SELECT s.journal_id, s.seq, s.gate_id, least(s.scanned_at, s.received_at) AS at,
    (s.verdict = 0 AND s.flags & 17 = 0 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_in,
    (s.verdict = 0 AND s.flags & 17 = 1 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_out,
    (s.verdict BETWEEN 1 AND 63 AND s.flags & 16 = 0)::int AS refused,
    (s.verdict = 64)::int AS annulled, (s.verdict IN (133, 134))::int AS untapped,
    CASE WHEN s.verdict < 128 THEN least(s.scanned_at, s.received_at) END AS tapped_at
FROM tapline.scans s
LEFT JOIN tapline.annulled x ON x.journal_id = s.journal_id AND x.seq = s.seq
WHERE s.gate_id IS NOT NULL;

-- A batch that was new as a whole, by the SHA-256 of its columns: the same batch again is known by one row, and not compared
-- scan by scan. Only batches of some size.
CREATE TABLE tapline.batches (
    journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL CHECK (last_seq >= first_seq),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (journal_id, first_seq)
);

CREATE OR REPLACE VIEW tapline.live_gates AS
WITH flow AS (
    SELECT f.gate_id, sum(f.passed_in)::bigint AS in_today, sum(f.passed_out)::bigint AS out_today,
        coalesce(sum(f.passed_in) FILTER (WHERE recent), 0)::bigint AS in_minute,
        coalesce(sum(f.passed_out) FILTER (WHERE recent), 0)::bigint AS out_minute,
        sum(f.refused)::bigint AS refused_today,
        coalesce(sum(f.refused) FILTER (WHERE recent), 0)::bigint AS refused_minute,
        sum(f.annulled)::bigint AS annulled_today, sum(f.untapped)::bigint AS untapped_today, max(f.last_at) AS last_at
    FROM (SELECT *, slot > now() - interval '1 minute' AS recent FROM tapline.gate_flow
          WHERE slot >= date_trunc('minute', (SELECT tapline.day_start()))) f
    GROUP BY f.gate_id
), lanes AS (
    SELECT gate_id, count(*) AS lanes, count(*) FILTER (WHERE silent) AS silent, max(last_received_at) AS as_of
    FROM tapline.lanes WHERE enabled GROUP BY gate_id
)
SELECT g.id AS gate_id, g.name, z.name AS zone, f.name AS from_zone,
    coalesce(in_minute, 0) AS in_minute, coalesce(out_minute, 0) AS out_minute,
    coalesce(refused_minute, 0) AS refused_minute, coalesce(in_today, 0) AS in_today,
    coalesce(out_today, 0) AS out_today, coalesce(refused_today, 0) AS refused_today,
    coalesce(annulled_today, 0) AS annulled_today, coalesce(untapped_today, 0) AS untapped_today, last_at,
    coalesce(lanes.lanes, 0) AS lanes, coalesce(lanes.silent, 0) AS lanes_silent, lanes.as_of
FROM tapline.gates g
JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
LEFT JOIN flow ON flow.gate_id = g.id
LEFT JOIN lanes ON lanes.gate_id = g.id
ORDER BY g.name;
COMMENT ON VIEW tapline.live_gates IS
    'Flow at each gate, by the time of the tap: the last minute in steps of ten seconds, and since the day start';

INSERT INTO tapline.schema_migrations (version, name) VALUES (7, 'tracking');
