-- Health of the scanners, the worst first.   once: psql URL -f scanner_health.sql   every 2 s: add -v watch=2
\ir settings.psql
\pset title 'Scanners: the worst first, 40 at most'
SELECT left(scanner_id, 14) AS scanner, left(gate, 14) AS gate,
    CASE WHEN NOT enabled THEN 'disabled' WHEN last_received_at IS NULL THEN 'NEVER HEARD' WHEN silent THEN 'SILENT'
        WHEN clock_wrong THEN 'WRONG CLOCK' WHEN gaps > 0 THEN 'GAPS' WHEN snapshot_outdated THEN 'old list'
        ELSE 'ok' END AS state,
    tapline.age_text(silence) AS heard, backlog, tapline.age_text(snapshot_age) AS list,
    round(extract(epoch FROM clock_skew), 1) AS "skew s", gaps, quarantined AS quar
FROM tapline.scanner_health
ORDER BY enabled DESC, silent DESC, clock_wrong DESC, gaps DESC, snapshot_outdated DESC, backlog DESC, scanner_id LIMIT 40
\if :{?watch}
\watch :watch
\else
\g
\endif
