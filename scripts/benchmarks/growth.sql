-- Tables and functions of `scripts/bench growth`. Psql variables: people, million (scans), journal (scans per journal).

CREATE SCHEMA bench;

-- The Bloom filter of tapline_internal.scan_runs: four bits of each tag.
CREATE FUNCTION bench.tag_filter(tags bigint[]) RETURNS bytea LANGUAGE sql STABLE AS $$
    WITH size AS (SELECT greatest(64, (2 ^ ceil(log(2, 16 * cardinality(tags))))::bigint) AS bits),
    positions AS (
        SELECT (tag >> shift) & (bits - 1) AS position
        FROM size, unnest(tags) tag, unnest(ARRAY[0, 13, 26, 39]) shift WHERE tag <> 0
    ),
    bytes AS (SELECT position / 8 AS number, bit_or(1 << (position % 8)::int) AS value FROM positions GROUP BY 1)
    SELECT decode(string_agg(lpad(to_hex(coalesce(value, 0)), 2, '0'), '' ORDER BY number), 'hex')
    FROM size CROSS JOIN LATERAL generate_series(0, bits / 8 - 1) number LEFT JOIN bytes USING (number)
$$;

-- The columns of some million scans, in runs of 500. Every million that is stored repeats one of them in new journals.
-- One scan in 50 is an annulment, and three in a hundred are refusals. Nothing is compressed, as in scan_runs: an INSERT
-- from here would keep it so. A million scans of 100 journals take 4.8 hours, so a run takes 864 s.
CREATE TABLE bench.runs (
    million integer, journal integer, first_seq bigint, has_annulments boolean, verdicts bytea, flags bytea,
    tag_filter bytea, at_ms integer[], tags bigint[]);
ALTER TABLE bench.runs
    ALTER verdicts SET STORAGE PLAIN, ALTER flags SET STORAGE PLAIN, ALTER tag_filter SET STORAGE PLAIN,
    ALTER at_ms SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL;
INSERT INTO bench.runs
SELECT million, journal, first_seq, position(decode('40', 'hex') IN verdicts) > 0 AS has_annulments, verdicts, flags,
    bench.tag_filter(tags) AS tag_filter, at_ms, tags
FROM (
    SELECT million, journal, 1 + 500 * run::bigint AS first_seq,
        decode(string_agg(CASE WHEN random() < 0.02 THEN '40'
            WHEN random() < 0.03 THEN (ARRAY['01', '03', '05'])[1 + floor(random() * 3)::integer]
            ELSE '00' END, ''), 'hex') AS verdicts,
        decode(string_agg(CASE WHEN random() < 0.4 THEN '01' ELSE '00' END, ''), 'hex') AS flags,
        array_agg(1728 * scan ORDER BY scan) AS at_ms,
        array_agg(hashint8extended(1 + floor(random() * :people)::bigint, 7) ORDER BY scan) AS tags
    FROM generate_series(0, 3) million, generate_series(0, :million / :journal - 1) journal,
        generate_series(0, :journal / 500 - 1) run, generate_series(0, 499) scan
    GROUP BY 1, 2, 3
) columns;

-- An empty table of the same kind as the one that grows, with the indexes of an open partition.
CREATE TABLE bench.control (LIKE tapline_internal.scan_runs) PARTITION BY RANGE (journal_id);
DO $$
BEGIN
    EXECUTE format('CREATE TABLE bench.control_all (LIKE tapline_partitions.%I INCLUDING ALL)',
        (SELECT name FROM tapline_internal.scan_partitions ORDER BY first_journal LIMIT 1));
    ALTER TABLE bench.control ATTACH PARTITION bench.control_all DEFAULT;
END $$;
