-- Entries from off site of today and of yesterday, by quarter of an hour: the last twelve. Re-entries count.
-- once: psql URL -f arrivals.sql   every 10 s: psql URL -v watch=10 -f arrivals.sql
\ir settings.psql
\pset title 'Entries from off site by quarter of an hour; peak: the busiest one of today'
SELECT to_char(t.slot, 'HH24:MI') AS from, t.entries AS today, y.entries AS yesterday,
    rpad(repeat('#', (t.entries * 40 / greatest(t.peak, 1))::integer), 40, '.') AS " ",
    CASE WHEN t.entries = t.peak AND t.peak > 0 THEN 'peak' ELSE '' END AS "  "
FROM (SELECT *, row_number() OVER (ORDER BY slot) AS place, max(entries) OVER () AS peak,
        count(*) OVER () AS slots FROM tapline.arrival_curve()) t
LEFT JOIN (SELECT *, row_number() OVER (ORDER BY slot) AS place
    FROM tapline.arrival_curve((SELECT (tapline.day_start() AT TIME ZONE time_zone)::date - 1 FROM tapline.event_settings))
    ) y USING (place)
WHERE t.place > t.slots - 12 OR t.entries = t.peak AND t.peak > 0 ORDER BY t.slot
\if :{?watch}
\watch :watch
\else
\g
\endif
