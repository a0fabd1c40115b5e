-- Guards of the ingestion: heartbeats in quarantine.

-- Heartbeats that cannot be stored hold no scan, and a removed scanner sends one every 15 s. Those of one routing key
-- and reason share a row.
ALTER TABLE tapline.quarantine ADD COLUMN is_heartbeat boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN tapline.quarantine.is_heartbeat IS
    'Whether the row counts heartbeats, which hold no scan: one row per routing_key and reason, with the newest body';
COMMENT ON TABLE tapline.quarantine IS
    'Batches that could not be stored, each (routing_key, reason, sha256) once, and heartbeats, each (routing_key, '
    'reason) once. See `tapline-center quarantine`';
-- Rows from before this migration: a body with the empty columns `at` and `tag` holds no scan.
UPDATE tapline.quarantine SET is_heartbeat = true
WHERE reason IN ('unknown-scanner', 'disabled-scanner', 'identity')
    AND position('\x626174d84e40'::bytea IN body) > 0 AND position('\x63746167d84f40'::bytea IN body) > 0;
UPDATE tapline.quarantine q SET times = s.times, received_at = s.received_at, last_received_at = s.last_received_at
FROM (
    SELECT max(id) AS id, sum(times)::bigint AS times, min(received_at) AS received_at,
        max(last_received_at) AS last_received_at
    FROM tapline.quarantine WHERE is_heartbeat GROUP BY routing_key, reason
) s WHERE s.id = q.id;
DELETE FROM tapline.quarantine q WHERE is_heartbeat AND EXISTS (
    SELECT FROM tapline.quarantine n WHERE n.is_heartbeat AND n.routing_key = q.routing_key AND n.reason = q.reason
        AND n.id > q.id);
ALTER TABLE tapline.quarantine DROP CONSTRAINT quarantine_routing_key_reason_sha256_key;
CREATE UNIQUE INDEX quarantine_batch ON tapline.quarantine (routing_key, reason, sha256) WHERE NOT is_heartbeat;
CREATE UNIQUE INDEX quarantine_heartbeat ON tapline.quarantine (routing_key, reason) WHERE is_heartbeat;

INSERT INTO tapline.schema_migrations (version, name) VALUES (15, 'ingest_guard');
