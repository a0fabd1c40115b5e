-- People in each zone.   once: psql URL -f live_zones.sql   every 2 s: psql URL -v watch=2 -f live_zones.sql
\ir settings.psql
\pset title 'Zones: people in the zone, and with the zones within; lanes heard'
SELECT zone, here, within, capacity, full_percent AS full, bar AS " ", lanes, as_of AS "as of"
FROM (
SELECT path, repeat('  ', depth) || left(name, greatest(22 - 2 * depth, 1)) AS zone,
    inside AS here, inside_total AS within,
    capacity,
    CASE WHEN capacity > 0 THEN round(100.0 * inside_total / capacity) || ' %' END AS full_percent,
    CASE WHEN capacity > 0 THEN rpad(repeat('#', least(inside_total * 12 / capacity, 12)::integer), 12, '.') END AS bar,
    lanes - lanes_silent || '/' || lanes AS lanes, to_char(as_of, 'HH24:MI:SS') AS as_of
FROM tapline.live_zones
UNION ALL
SELECT ARRAY[]::text[],
    CASE state WHEN 'no broker' THEN 'NO BROKER' ELSE 'NO CENTER' END || coalesce(to_char(since, ' MM-DD HH24:MI'), ''),
    NULL, NULL, NULL, NULL, NULL, NULL, to_char(heard_until, 'HH24:MI:SS')
FROM tapline.center_state WHERE state <> 'running'
) rows
ORDER BY path
\if :{?watch}
\watch :watch
\else
\g
\endif
