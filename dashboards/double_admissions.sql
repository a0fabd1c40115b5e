-- Double admissions: people admitted twice into one zone without an exit between. The settled ones first, the latest 30.
-- Not settled: an exit between may still arrive; tapline.unsettled_spans names the lanes.
-- once: psql URL -f double_admissions.sql   every 10 s: psql URL -v watch=10 -f double_admissions.sql
\ir settings.psql
\pset title 'Double admissions: no exit between; settled: all lanes have reported'
SELECT left(coalesce(name, 'tag ' || second_tag_id), 18) AS delegate, left(zone, 11) AS zone,
    left(first_gate, 11) AS "first gate", to_char(first_at, 'MM-DD HH24:MI:SS') AS "first",
    left(second_gate, 11) AS "second gate", to_char(second_at, 'HH24:MI:SS') AS second,
    CASE WHEN settled THEN 'yes' ELSE 'not yet' END AS settled
FROM tapline.double_admissions ORDER BY double_admissions.settled DESC, second_at DESC, second_journal_id, second_seq
LIMIT 30
\if :{?watch}
\watch :watch
\else
\g
\endif
