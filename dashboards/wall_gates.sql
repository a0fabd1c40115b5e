-- Gates as on the wall: flow, lanes, and a sudden drop.
-- once: psql URL -f wall_gates.sql   every 2 s: psql URL -v watch=2 -f wall_gates.sql
\ir settings.psql
\pset title 'Gates: the last minute, then today; DROP: flow has dropped suddenly, by % of the interval before'
SELECT gate, zone, "in/m", "out/m", "ref/m", "in", out, ref, open, "last tap", drop
FROM (
SELECT g.name, left(g.name, 15) AS gate, left(zone, 10) AS zone, in_minute AS "in/m", out_minute AS "out/m",
    refused_minute AS "ref/m", in_today AS "in", out_today AS out, refused_today AS ref,
    coalesce(lanes_open::text, '?') || '/' || lanes AS open, to_char(last_at, 'HH24:MI:SS') AS "last tap",
    CASE WHEN is_drop THEN 'DROP ' || percent WHEN is_drop IS NULL THEN '?' ELSE '' END AS drop
FROM tapline.wall_gates g JOIN tapline.gate_drops d USING (gate_id)
UNION ALL
SELECT '', CASE state WHEN 'no broker' THEN 'NO BROKER' ELSE 'NO CENTER' END, to_char(since, 'MM-DD HH24'),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM tapline.center_state WHERE state <> 'running'
) rows
ORDER BY name
\if :{?watch}
\watch :watch
\else
\g
\endif
