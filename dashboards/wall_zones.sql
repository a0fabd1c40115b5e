-- Zones as on the wall: GO, BUSY, FULL, how complete the count is, and the time until full at this rate.
-- once: psql URL -f wall_zones.sql   every 2 s: psql URL -v watch=2 -f wall_zones.sql
\ir settings.psql
\pset title 'Zones: people with the zones within; unsent: scans that lanes hold; net: people an hour'
SELECT zone, sign, within, capacity, "%", lanes, unsent, heard, net, "full in"
FROM (
SELECT path, repeat('  ', depth) || left(name, greatest(20 - 2 * depth, 1)) AS zone,
    CASE level WHEN 'uncapped' THEN '' ELSE upper(level) END AS sign, inside_total AS within, capacity, percent AS "%",
    lanes - lanes_silent - lanes_late || '/' || lanes AS lanes, unsent, to_char(heard_at, 'HH24:MI:SS') AS heard, net_hour AS net,
    full_in_minutes || ' min' AS "full in"
FROM tapline.wall_zones
UNION ALL
SELECT ARRAY[]::text[], CASE state WHEN 'no broker' THEN 'NO BROKER' ELSE 'NO CENTER' END, NULL, NULL, NULL, NULL, NULL,
    NULL, to_char(heard_until, 'HH24:MI:SS'), NULL, NULL
FROM tapline.center_state WHERE state <> 'running'
) rows
ORDER BY path
\if :{?watch}
\watch :watch
\else
\g
\endif
