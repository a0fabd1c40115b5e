-- A report of an event day: arrivals, dwell, no_shows, refusals, reentries, late, categories, busiest, muster.
-- once: psql URL -v report=dwell -f report.sql   of a day: -v day=2026-05-06   every minute: -v watch=60
\ir settings.psql
\if :{?report}
\else
\warn 'no report given: psql URL -v report=arrivals -f report.sql'
\quit
\endif
SELECT :'report' = 'muster' AS is_now \gset
\if :is_now
\set call 'tapline.report_muster()'
\set day 'now'
\elif :{?day}
SELECT format('tapline.report_%I(%L)', :'report', :'day') AS call \gset
\else
SELECT format('tapline.report_%I()', :'report') AS call \gset
\set day 'the current event day'
\endif
\set title 'Report ' :report ': ' :day
\pset title :title
-- Long texts are wrapped in their column.
\pset format wrapped
\pset columns 100
SELECT * FROM :call
\if :{?watch}
\watch :watch
\else
\g
\endif
