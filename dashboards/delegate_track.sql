-- Track of one person: the last 30 scans, by name or external_ref.
-- once: psql URL -v delegate='D-000077' -f delegate_track.sql   every 2 s: add -v watch=2
\ir settings.psql
\if :{?delegate}
\else
\warn 'no delegate given: psql URL -v delegate="NAME or external_ref" -f delegate_track.sql'
\quit
\endif
\set title 'Track of ' :delegate
\pset title :title
SELECT * FROM (
    SELECT to_char(time, 'MM-DD HH24:MI:SS') AS time, left(name, 12) AS name, left(gate, 13) AS gate, direction AS way,
        left(coalesce(zone, '(off site)'), 13) AS "to zone",
        CASE WHEN verdict = 0 AND flags & 16 <> 0 THEN 'checked' WHEN verdict = 0 AND NOT counts THEN 'not passed'
            ELSE left(verdict_name, 13) END AS verdict,
        left(scanner_id, 11) AS scanner
    FROM (
        SELECT *, row_number() OVER (ORDER BY time DESC, log DESC, seq DESC) AS back
        FROM tapline.delegate_track WHERE normalize(:'delegate', NFC) IN (name, external_ref)
    ) track
    WHERE back <= 30 ORDER BY back DESC
) shown
\if :{?watch}
\watch :watch
\else
\g
\endif
