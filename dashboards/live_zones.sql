-- People in each zone.   once: psql URL -f live_zones.sql   every 2 s: psql URL -v watch=2 -f live_zones.sql
\ir settings.psql
\pset title 'Zones: people here, and with the zones within; lanes heard'
SELECT repeat('  ', depth) || left(name, greatest(22 - 2 * depth, 1)) AS zone, inside AS here, inside_total AS within, capacity,
    CASE WHEN capacity > 0 THEN round(100.0 * inside_total / capacity) || ' %' END AS full,
    CASE WHEN capacity > 0 THEN rpad(repeat('#', least(inside_total * 12 / capacity, 12)::integer), 12, '.') END AS " ",
    lanes - lanes_silent || '/' || lanes AS lanes, to_char(as_of, 'HH24:MI:SS') AS "as of"
FROM tapline.live_zones ORDER BY path
\if :{?watch}
\watch :watch
\else
\g
\endif
