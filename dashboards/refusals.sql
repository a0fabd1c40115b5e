-- Refused taps of today by reason.
-- once: psql URL -f refusals.sql   every 10 s: psql URL -v watch=10 -f refusals.sql
\ir settings.psql
\pset title 'Refused taps by reason, without inspections and void scans'
SELECT verdict, left(reason, 30) AS reason, refused_hour AS "last hour", refused_today AS today
FROM tapline.refusals_by_reason ORDER BY refused_today DESC, verdict
\if :{?watch}
\watch :watch
\else
\g
\endif
