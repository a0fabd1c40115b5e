-- Track of one person: the last 30 scans, by reference, name, or number of the attendee. Several people of one name are
-- listed instead.
-- once: psql URL -v delegate='D-000077' -f delegate_track.sql   or -v attendee=77   every 2 s: add -v watch=2
\ir settings.psql
\if :{?attendee}
\set delegate 'attendee ' :attendee
SELECT :'attendee'::bigint AS person, 1 AS people \gset
\elif :{?delegate}
-- A reference is one person's, so it takes precedence over names.
SELECT coalesce(max(id) FILTER (WHERE is_reference), max(id)) AS person,
    CASE WHEN bool_or(is_reference) THEN 1 ELSE count(*) END AS people
FROM (SELECT id, external_ref IS NOT DISTINCT FROM normalize(:'delegate', NFC) AS is_reference FROM tapline.attendees
    WHERE normalize(:'delegate', NFC) IN (name, external_ref)) found \gset
\else
\warn 'no delegate given: psql URL -v delegate="NAME or external_ref" -f delegate_track.sql'
\quit
\endif
SELECT :people > 1 AS several, :people = 0 AS unknown \gset
\if :unknown
\warn 'no attendee has this name or reference: ' :delegate
\quit
\endif
\if :several
\pset title 'Several people have this name: give -v attendee=NUMBER'
SELECT id AS attendee, left(name, 24) AS name, left(external_ref, 20) AS reference, left(category, 20) AS category, status
FROM tapline.attendees WHERE name = normalize(:'delegate', NFC) ORDER BY id LIMIT 30;
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
        FROM tapline.delegate_track WHERE attendee_id = :person
    ) track
    WHERE back <= 30 ORDER BY back DESC
) shown
\if :{?watch}
\watch :watch
\else
\g
\endif
