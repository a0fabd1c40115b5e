-- Stored scans: a row holds a run, which is consecutive scans of one journal as columns. The reasons are in
-- docs/internals/decisions/0008-runs-of-scans.md.

-- Maximum number of scans of a run. So the run that holds a seq begins less than this many seqs below it. Inlined: a
-- constant for the planner. The only place in SQL that says it; the center has it as ScanRun.scansLimit.
CREATE FUNCTION tapline_internal.run_limit() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 512::bigint;

-- Partitioned by journal, so that each key is one global uniqueness rule. A journal lives at most a day, so retention
-- drops whole partitions.
--
-- Runs are so short that `verdicts` and `flags` stay in line: one byte of a value that is stored out of line costs as
-- much as the whole value. `tag_filter` precedes them: the search for a tag reads it of each run.
CREATE TABLE tapline_internal.scan_runs (
    journal_id bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    gate_id bigint,
    snapshot_version bigint NOT NULL,
    received_at timestamptz NOT NULL,    -- of the scan that arrived first
    received_last timestamptz NOT NULL,  -- of the scan that arrived last
    base timestamptz NOT NULL,           -- of at_ms, device clock
    earliest timestamptz NOT NULL,       -- these two enclose scanned_at and scan_time of all scans
    latest timestamptz NOT NULL,
    has_annulments boolean NOT NULL,     -- a verdict 64
    has_lane_events boolean NOT NULL,    -- a verdict from 128
    tag_filter bytea NOT NULL,           -- see may_hold
    verdicts bytea NOT NULL,             -- a byte a scan, or one byte if all are equal
    flags bytea NOT NULL,                -- likewise
    at_ms integer[] NOT NULL,            -- milliseconds from base
    tags bigint[] NOT NULL,
    received_us bigint[],                -- microseconds from received_at; null: all scans arrived at received_at
    PRIMARY KEY (journal_id, first_seq),
    CONSTRAINT scan_runs_columns CHECK (first_seq > 0 AND last_seq >= first_seq
        AND last_seq - first_seq < tapline_internal.run_limit()
        AND cardinality(tags) = last_seq - first_seq + 1 AND cardinality(at_ms) = cardinality(tags)
        AND octet_length(verdicts) IN (1, cardinality(tags)) AND octet_length(flags) IN (1, cardinality(tags))
        AND CASE WHEN received_us IS NULL THEN received_at = received_last
            ELSE cardinality(received_us) = cardinality(tags) END
        AND received_at <= received_last AND earliest <= latest)
) PARTITION BY RANGE (journal_id);
-- PLAIN stays in line. EXTERNAL is not compressed: the tags are random numbers.
ALTER TABLE tapline_internal.scan_runs
    ALTER verdicts SET STORAGE PLAIN, ALTER flags SET STORAGE PLAIN, ALTER tag_filter SET STORAGE PLAIN,
    ALTER at_ms SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL, ALTER received_us SET STORAGE EXTERNAL;
CREATE INDEX scan_runs_annulments ON tapline_internal.scan_runs (journal_id, first_seq) WHERE has_annulments;
-- Runs that maintenance joins, with what decides whether two can be joined.
CREATE INDEX scan_runs_small
    ON tapline_internal.scan_runs (journal_id, first_seq, last_seq, gate_id, snapshot_version, base)
    WHERE last_seq - first_seq < 255;

-- Returns whether a run may hold a tag: the Bloom filter of its tags, a power of two of bits and at least 16 for each
-- scan. A tag ID is a random number, so four parts of it are its bits. Inlined.
CREATE FUNCTION tapline_internal.may_hold(tag_filter bytea, tag bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN get_bit(tag_filter, tag & (8 * octet_length(tag_filter) - 1)) = 1
    AND get_bit(tag_filter, tag >> 13 & (8 * octet_length(tag_filter) - 1)) = 1
    AND get_bit(tag_filter, tag >> 26 & (8 * octet_length(tag_filter) - 1)) = 1
    AND get_bit(tag_filter, tag >> 39 & (8 * octet_length(tag_filter) - 1)) = 1;

-- Each scan with the columns of its run. The planner applies a condition on a column of the run before it unnests the
-- run. Two branches, because received_at is such a column only where all scans arrived together.
CREATE VIEW tapline_internal.stored_scans AS
SELECT journal_id, first_seq + i AS seq, tag_id, base + at * interval '1 millisecond' AS scanned_at,
    get_byte(verdicts, i % octet_length(verdicts))::smallint AS verdict,
    get_byte(flags, i % octet_length(flags))::smallint AS flags, gate_id, snapshot_version, received_at,
    first_seq, last_seq, earliest, latest, received_at AS received_first, received_last, has_annulments,
    has_lane_events, tag_filter, tags
FROM (
    SELECT *, generate_series(0, (last_seq - first_seq)::integer) AS i, unnest(tags) AS tag_id, unnest(at_ms) AS at
    FROM tapline_internal.scan_runs WHERE received_us IS NULL) r
UNION ALL
SELECT journal_id, first_seq + i, tag_id, base + at * interval '1 millisecond',
    get_byte(verdicts, i % octet_length(verdicts))::smallint, get_byte(flags, i % octet_length(flags))::smallint,
    gate_id, snapshot_version, received_at + received * interval '1 microsecond',
    first_seq, last_seq, earliest, latest, received_at, received_last, has_annulments, has_lane_events, tag_filter, tags
FROM (
    SELECT *, generate_series(0, (last_seq - first_seq)::integer) AS i, unnest(tags) AS tag_id, unnest(at_ms) AS at,
        unnest(received_us) AS received
    FROM tapline_internal.scan_runs WHERE received_us IS NOT NULL) r;

CREATE VIEW tapline.scans AS
SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at
FROM tapline_internal.stored_scans;

CREATE VIEW tapline.run_scans AS
SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at,
    first_seq, last_seq, earliest, latest, received_first, received_last, has_annulments, has_lane_events
FROM tapline_internal.stored_scans;

-- Inlined, so that the conditions of the caller are applied as well. On a public view, because readers have no access
-- to tapline_internal. The subselects are evaluated once a query: an argument such as tapline.day_start() would be
-- called for each scan.
CREATE FUNCTION tapline.scans_between(since timestamptz, until timestamptz) RETURNS SETOF tapline.scans
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at
    FROM tapline.run_scans
    WHERE latest >= (SELECT since) AND earliest < (SELECT until)
        AND scanned_at >= (SELECT since) AND scanned_at < (SELECT until);
END;
CREATE FUNCTION tapline.scans_received(since timestamptz, until timestamptz) RETURNS SETOF tapline.scans
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at
    FROM tapline.run_scans
    WHERE received_last >= (SELECT since) AND received_first < (SELECT until)
        AND received_at >= (SELECT since) AND received_at < (SELECT until);
END;

COMMENT ON TABLE tapline_internal.scan_runs IS 'Runs of stored scans; see docs/internals/decisions/0008-runs-of-scans.md';
COMMENT ON VIEW tapline.run_scans IS
    'The scans with the limits of the run that stores them. A condition on a column of the run skips whole runs';
COMMENT ON COLUMN tapline.run_scans.first_seq IS 'First seq of the run';
COMMENT ON COLUMN tapline.run_scans.last_seq IS 'Last seq of the run';
COMMENT ON COLUMN tapline.run_scans.earliest IS 'No time of a scan of the run is earlier: scanned_at and scan_time';
COMMENT ON COLUMN tapline.run_scans.latest IS 'No time of a scan of the run is later: scanned_at and scan_time';
COMMENT ON COLUMN tapline.run_scans.received_first IS 'Arrival of the scan of the run that arrived first';
COMMENT ON COLUMN tapline.run_scans.received_last IS 'Arrival of the scan of the run that arrived last';
COMMENT ON COLUMN tapline.run_scans.has_annulments IS 'Whether the run holds a verdict 64';
COMMENT ON COLUMN tapline.run_scans.has_lane_events IS 'Whether the run holds a verdict from 128';
COMMENT ON FUNCTION tapline.scans_between(timestamptz, timestamptz) IS
    'Scans with a device time from the first to before the second time';
COMMENT ON FUNCTION tapline.scans_received(timestamptz, timestamptz) IS
    'Scans that arrived from the first to before the second time';

INSERT INTO tapline.schema_migrations (version, name) VALUES (4, 'scan_runs');
