-- Partitions of the scans, in a schema of their own: the center may create there, and nothing refers to it by name.
CREATE SCHEMA tapline_partitions;
COMMENT ON SCHEMA tapline_partitions IS 'Tapline, the partitions of tapline_internal.scan_runs. Created by the center';

-- Every journal has a partition, also after retention, so a late scan of an old journal can be stored.
CREATE TABLE tapline_internal.scan_partitions (
    first_journal bigint PRIMARY KEY,
    end_journal bigint NOT NULL CHECK (end_journal > first_journal),  -- exclusive
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,  -- since then: joined, indexed by tag and frozen
    retired_at timestamptz  -- since then: its scans are dropped; holds late arrivals only
);

-- Why retention drops nothing although scans are old enough; without a row it works, or no center has --keep-days.
CREATE TABLE tapline_internal.retention_alarm (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    since timestamptz NOT NULL DEFAULT now(),
    detail text NOT NULL
);

-- Gives a partition to the role tapline_center, if it exists and the owner of the schema is a member of it. Otherwise the
-- partition stays with the owner.
CREATE FUNCTION tapline_internal.hand_over_scan_partition(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT coalesce(pg_has_role((SELECT oid FROM pg_roles WHERE rolname = 'tapline_center'), 'MEMBER'), false) THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE tapline_partitions.%I OWNER TO tapline_center', name);
EXCEPTION WHEN insufficient_privilege THEN NULL;  -- a member without SET OPTION (PostgreSQL 16)
END $$;

-- Attaches the partition instead of CREATE ... PARTITION OF: this waits for no reader and no COPY, and blocks none.
-- The exclusion proves that no scan is stored twice, whatever the boundaries of the runs.
-- Autovacuum removes the small runs that were joined. It does not run because of insertions: closing the partition
-- freezes it once. SECURITY DEFINER, as the next functions: the center owns its partitions and nothing else
-- (docs/internals/decisions/0010-database-roles.md).
CREATE FUNCTION tapline_internal.make_scan_partition(first_journal bigint, end_journal bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name constant text := format('scan_runs_%s_%s', first_journal, end_journal - 1);
BEGIN
    EXECUTE format('CREATE TABLE tapline_partitions.%I (LIKE tapline_internal.scan_runs INCLUDING ALL EXCLUDING COMMENTS,
            EXCLUDE USING gist (journal_id WITH =, int8range(first_seq, last_seq, ''[]'') WITH &&))
        WITH (autovacuum_vacuum_insert_threshold = -1)', name);
    EXECUTE format('ALTER TABLE tapline_internal.scan_runs
        ATTACH PARTITION tapline_partitions.%I FOR VALUES FROM (%s) TO (%s)', name, first_journal, end_journal);
    INSERT INTO tapline_internal.scan_partitions (first_journal, end_journal, name)
        VALUES (first_journal, end_journal, name);
    PERFORM tapline_internal.hand_over_scan_partition(name);
END $$;

-- Makes the partition of a journal if it is missing. Returns the first journal after that partition.
CREATE FUNCTION tapline_internal.ensure_scan_partition(journal bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    span constant bigint := 2000;  -- about a day of 1,000 scanners
    range_start bigint;
    range_end bigint;
BEGIN
    SELECT end_journal INTO range_end FROM tapline_internal.scan_partitions
        WHERE first_journal <= journal AND end_journal > journal;
    IF FOUND THEN RETURN range_end; END IF;
    PERFORM pg_advisory_xact_lock(hashtext('tapline.scans partition'));
    SELECT end_journal INTO range_end FROM tapline_internal.scan_partitions
        WHERE first_journal <= journal AND end_journal > journal;
    IF FOUND THEN RETURN range_end; END IF;
    SELECT greatest(journal / span * span, max(end_journal) FILTER (WHERE end_journal <= journal)),
        least((journal / span + 1) * span, min(first_journal) FILTER (WHERE first_journal > journal))
        INTO range_start, range_end FROM tapline_internal.scan_partitions;
    PERFORM tapline_internal.make_scan_partition(range_start, range_end);
    RETURN range_end;
END $$;

-- A new journal has its partition and the next one. The center keeps one more ahead, so ingestion finds both.
CREATE FUNCTION tapline_internal.ensure_scan_partitions() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM tapline_internal.ensure_scan_partition(tapline_internal.ensure_scan_partition(NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER ensure_partitions AFTER INSERT ON tapline.journals FOR EACH ROW
    EXECUTE FUNCTION tapline_internal.ensure_scan_partitions();
SELECT tapline_internal.ensure_scan_partition(tapline_internal.ensure_scan_partition(0));

-- Moves new journals to the next partition when the current one is a week old, or 12 hours old and large. So the
-- journals of the next morning do not keep the partition of the day before open. The unused ids are taken one by one, so
-- a concurrent insert still gets a unique id. Returns whether it moved.
CREATE FUNCTION tapline_internal.rotate_scan_partition() RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sequence constant regclass := pg_get_serial_sequence('tapline.journals', 'id');
    large constant bigint := 1000000;  -- scans
    last bigint;
    range_end bigint;
BEGIN
    EXECUTE format('SELECT last_value FROM %s WHERE is_called', sequence) INTO last;
    SELECT p.end_journal INTO range_end FROM tapline_internal.scan_partitions p
    JOIN tapline.journals j ON j.id >= p.first_journal AND j.id < p.end_journal
    WHERE p.first_journal <= last AND p.end_journal > last + 1
    GROUP BY p.end_journal
    HAVING min(j.first_received_at) < now() - interval '7 days'
        OR min(j.first_received_at) < now() - interval '12 hours' AND sum(j.stored) >= large;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM tapline_internal.ensure_scan_partition(range_end);
    PERFORM count(nextval(sequence)) FROM generate_series(last + 1, range_end - 1);
    RETURN true;
END $$;

CREATE VIEW tapline.scan_partition_state AS
SELECT p.name, p.first_journal, p.end_journal, p.created_at, p.closed_at, p.retired_at,
    p.end_journal <= (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM tapline.journals_id_seq)
        AS is_full,
    coalesce(j.journals, 0) AS journals, coalesce(j.scans, 0)::bigint AS scans, j.heard_at,
    coalesce(j.unfinished, 0) AS unfinished, j.unfinished_heard_at,
    coalesce(j.unfinished_backlog, 0)::bigint AS unfinished_backlog,
    coalesce(j.gaps, 0)::bigint AS gaps, pg_total_relation_size(c.oid) AS bytes
FROM tapline_internal.scan_partitions p
LEFT JOIN pg_class c ON c.relname = p.name AND c.relnamespace = 'tapline_partitions'::regnamespace
LEFT JOIN (
    SELECT q.first_journal, count(*) AS journals, sum(e.stored) FILTER (WHERE e.retired_seq = 0) AS scans,
        max(e.last_received_at) AS heard_at,
        count(*) FILTER (WHERE e.id = newest.id) AS unfinished,
        max(e.last_received_at) FILTER (WHERE e.id = newest.id) AS unfinished_heard_at,
        sum(e.backlog) FILTER (WHERE e.id = newest.id) AS unfinished_backlog, sum(open.gaps) AS gaps
    FROM tapline_internal.scan_partitions q
    JOIN tapline.journals e ON e.id >= q.first_journal AND e.id < q.end_journal
    JOIN (SELECT scanner_id, max(id) AS id FROM tapline.journals GROUP BY scanner_id) newest
        ON newest.scanner_id = e.scanner_id
    LEFT JOIN (SELECT journal_id, count(*) AS gaps FROM tapline.seq_gaps GROUP BY journal_id) open
        ON open.journal_id = e.id
    GROUP BY q.first_journal
) j ON j.first_journal = p.first_journal
ORDER BY p.first_journal;

INSERT INTO tapline.schema_migrations (version, name) VALUES (5, 'scan_partitions');
