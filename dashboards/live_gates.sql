-- Flow at each gate.   once: psql URL -f live_gates.sql   every 2 s: psql URL -v watch=2 -f live_gates.sql
\ir settings.psql
\pset title 'Gates: the last minute, then today; lanes heard'
SELECT gate, zone, in_minute AS "in/m", out_minute AS "out/m", refused_minute AS "ref/m", in_today AS in,
    out_today AS out, refused_today AS ref, lanes, last_tap AS "last tap"
FROM (
SELECT name, left(name, 15) AS gate, left(zone, 12) AS zone, in_minute, out_minute, refused_minute, in_today,
    out_today, refused_today, lanes - lanes_silent || '/' || lanes AS lanes, to_char(last_at, 'HH24:MI:SS') AS last_tap
FROM tapline.live_gates
UNION ALL
SELECT '', CASE state WHEN 'no broker' THEN 'NO BROKER' ELSE 'NO CENTER' END, to_char(since, 'MM-DD HH24:MI'),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM tapline.center_state WHERE state <> 'running'
) rows
ORDER BY name
\if :{?watch}
\watch :watch
\else
\g
\endif
