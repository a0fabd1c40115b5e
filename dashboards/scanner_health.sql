-- Health of the scanners, the worst first.   once: psql URL -f scanner_health.sql   every 2 s: add -v watch=2
\ir settings.psql
\pset title 'Scanners: the worst first, at most 40'
SELECT scanner, gate, state, heard, backlog, snap, skew AS "skew s", gaps, quar
FROM (
    SELECT 0 AS place, CASE state WHEN 'no broker' THEN 'NO BROKER' ELSE 'NO CENTER' END AS scanner,
        to_char(since, 'MM-DD HH24:MI') AS gate, upper(state) AS state, tapline.age_text(now() - heard_until) AS heard,
        NULL::bigint AS backlog, NULL AS snap,
        NULL::numeric AS skew, NULL::bigint AS gaps, NULL::bigint AS quar, NULL AS scanner_id
    FROM tapline.center_state WHERE state <> 'running'
    UNION ALL
    SELECT tapline.condition_place(condition), left(scanner_id, 14), left(gate, 14), condition,
        tapline.age_text(silence), backlog, tapline.age_text(snapshot_age),
        round(extract(epoch FROM clock_skew), 1), gaps, quarantined, scanner_id
    FROM tapline.scanner_health
) rows
ORDER BY place, backlog DESC, scanner_id LIMIT 40
\if :{?watch}
\watch :watch
\else
\g
\endif
