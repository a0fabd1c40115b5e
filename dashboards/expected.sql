-- Arrived against expected people, by category and by pass.
-- once: psql URL -f expected.sql   every 10 s: psql URL -v watch=10 -f expected.sql
\ir settings.psql
\pset title 'Arrived today, of the active attendees with a pass; the 20 largest of each'
SELECT kind AS by, left(name, 40) AS name, arrived, expected, arrived * 100 / nullif(expected, 0) AS "%"
FROM (
    SELECT 1 AS place, 'category' AS kind, coalesce(category, '(none)') AS name, arrived, expected,
        row_number() OVER (ORDER BY expected DESC, category) AS number FROM tapline.arrivals_by_category
    UNION ALL
    SELECT 2, 'pass', coalesce(pass, '(none)'), arrived, expected,
        row_number() OVER (ORDER BY expected DESC, pass) FROM tapline.arrivals_by_pass
) rows WHERE number <= 20 ORDER BY place, number
\if :{?watch}
\watch :watch
\else
\g
\endif
