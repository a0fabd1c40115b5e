-- Ingestion: every scan stored once, the others accounted for. All journals, then the 20 last heard.
-- once: psql URL -f ingest.sql   every 2 s: psql URL -v watch=2 -f ingest.sql
\ir settings.psql
\pset title 'Ingest: received = stored + duplicates + conflicts'
SELECT scanner, log, received, stored, duplicates AS dupl, conflicts AS confl, missing, balance, heard
FROM (
    SELECT 0 AS place, count(*) || ' journals' AS scanner,
        (SELECT count(*) FROM tapline.quarantine WHERE NOT is_heartbeat) || ' quar.' AS log, coalesce(sum(received), 0) AS received,
        coalesce(sum(stored), 0) AS stored, coalesce(sum(duplicates), 0) AS duplicates,
        coalesce(sum(conflicts), 0) AS conflicts, coalesce(sum(missing), 0) AS missing,
        CASE WHEN coalesce(bool_and(balanced), true) THEN 'ok' ELSE 'BROKEN' END AS balance,
        to_char(max(last_received_at), 'HH24:MI:SS') AS heard
    FROM tapline.ingest_balance
    UNION ALL
    SELECT * FROM (
        SELECT row_number() OVER (ORDER BY last_received_at DESC, journal_id DESC), left(scanner_id, 14), left(log::text, 8),
            received, stored, duplicates, conflicts, missing, CASE WHEN balanced THEN 'ok' ELSE 'BROKEN' END,
            to_char(last_received_at, 'HH24:MI:SS')
        FROM tapline.ingest_balance ORDER BY last_received_at DESC, journal_id DESC LIMIT 20
    ) latest
) rows
ORDER BY place
\if :{?watch}
\watch :watch
\else
\g
\endif
