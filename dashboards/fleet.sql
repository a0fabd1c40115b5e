-- The scanners by their state, the worst first, then the worst 20 of them.
-- once: psql URL -f fleet.sql   every 2 s: psql URL -v watch=2 -f fleet.sql
\ir settings.psql
\pset title 'Scanners by state, then the worst ones; unsent since: the last scan that has arrived'
SELECT state, number, scanner, gate, backlog, heard, "unsent since"
FROM (
    SELECT 0 AS part, state, place, count(*)::text AS number, NULL AS scanner, NULL AS gate,
        sum(backlog)::bigint AS backlog, NULL AS heard, NULL AS "unsent since", NULL AS scanner_id
    FROM tapline.fleet_states GROUP BY state, place
    UNION ALL
    SELECT 1, state, place, '', left(scanner_id, 16), left(gate, 16), backlog, to_char(last_received_at, 'HH24:MI:SS'),
        to_char(unsent_since, 'MM-DD HH24:MI:SS'), scanner_id
    FROM (SELECT *, row_number() OVER (ORDER BY place, backlog DESC NULLS LAST, scanner_id) AS number
        FROM tapline.fleet_states WHERE state NOT IN ('live', 'disabled')) worst WHERE number <= 20
) rows ORDER BY part, place, backlog DESC NULLS LAST, scanner_id
\if :{?watch}
\watch :watch
\else
\g
\endif
