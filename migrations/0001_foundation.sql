-- Foundation: schemas, the list of migrations, the event and its days.
--
-- Each file runs once, in order, in one transaction:  psql -v ON_ERROR_STOP=1 -1 -f 0001_foundation.sql

-- Names are stored in Unicode's NFC, which only this encoding has.
DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has the encoding %, but names need UTF8', current_setting('server_encoding')
            USING HINT = 'create a database with ENCODING ''UTF8''';
    END IF;
END $$;

CREATE SCHEMA tapline;
COMMENT ON SCHEMA tapline IS
    'Tapline, the public part: registry, scans, presence and the views for analysts and operators. Times are timestamptz.';
CREATE SCHEMA tapline_internal;
COMMENT ON SCHEMA tapline_internal IS
    'Tapline, the internal part: queues, logs, partitions and their functions. May change with any version.';

-- In Debian's postgresql package. Trusted: the owner of the database may create it.
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA tapline_internal;

-- The planner assumes 1,000 scans in each run. So it would compile short queries over many partitions, which can take
-- minutes.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'jit stays on: the migrating user does not own the database'
            USING HINT = 'As its owner: ALTER DATABASE ... SET jit = off.';
END $$;

CREATE TABLE tapline.schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    checksum text
);

-- The UUID is permanent, and scanners pin it; the name is a label. The fingerprint names the event key, so that a list
-- or a gate with another key is refused.
CREATE TABLE tapline.event (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name <> ''),
    time_zone text NOT NULL DEFAULT 'Etc/UTC' CHECK ((now() AT TIME ZONE time_zone) IS NOT NULL),
    day_start time NOT NULL DEFAULT '06:00',
    key_fingerprint text CHECK (key_fingerprint ~ '^[0-9a-f]{16}$'),
    code_case text NOT NULL DEFAULT 'exact' CHECK (code_case IN ('exact', 'fold'))
);

-- Scanners that have installed a snapshot refuse every other UUID. The triggers of the registry are SECURITY DEFINER, so
-- the right to write a table of the registry is enough.
CREATE FUNCTION tapline_internal.keep_event_id() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM tapline.snapshots) THEN
        RAISE EXCEPTION 'the event keeps its ID %, because a snapshot was published', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_keeps_id BEFORE UPDATE OF id ON tapline.event FOR EACH ROW WHEN (OLD.id <> NEW.id)
    EXECUTE FUNCTION tapline_internal.keep_event_id();

-- The fingerprint of a list that was imported before the event had a name. The event takes it over.
CREATE TABLE tapline_internal.early_event_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    fingerprint text NOT NULL
);
CREATE FUNCTION tapline_internal.take_event_key() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.key_fingerprint := coalesce(NEW.key_fingerprint, (SELECT fingerprint FROM tapline_internal.early_event_key));
    RETURN NEW;
END $$;
CREATE TRIGGER event_takes_key BEFORE INSERT ON tapline.event FOR EACH ROW
    EXECUTE FUNCTION tapline_internal.take_event_key();

-- The only place, besides the column defaults above, that spells the defaults. Always one row.
CREATE VIEW tapline.event_settings AS
SELECT max(name) AS name, coalesce(max(time_zone), 'Etc/UTC') AS time_zone, coalesce(max(day_start), '06:00') AS day_start,
    max(id::text)::uuid AS id,
    coalesce(max(key_fingerprint), (SELECT fingerprint FROM tapline_internal.early_event_key)) AS key_fingerprint,
    coalesce(max(code_case), 'exact') AS code_case
FROM tapline.event;

-- Compares three candidates, so that no change to or from daylight saving time is missed. SECURITY DEFINER, as the other
-- functions of views that read tables: the right to read a view is enough. COST: a call takes 20 µs, so other conditions
-- of a query are tested first. `(SELECT tapline.day_start())` is called once a query, tapline.day_start() once a row.
CREATE FUNCTION tapline.day_start(at timestamptz DEFAULT now()) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER COST 1000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(start)
    FROM tapline.event_settings AS event,
         generate_series(-1, 1) AS step,
         LATERAL (SELECT ((at AT TIME ZONE event.time_zone)::date + step + event.day_start) AT TIME ZONE event.time_zone
             AS start) AS candidate
    WHERE start <= at
$$;

CREATE FUNCTION tapline.day_end(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
SECURITY DEFINER COST 50000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(next) FROM (SELECT tapline.day_start(at + h * interval '1 hour') AS next FROM generate_series(12, 49) h) each
    WHERE next > at
$$;

CREATE FUNCTION tapline_internal.event_day(at timestamptz, time_zone text, day_start time) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ((at AT TIME ZONE time_zone) - day_start)::date $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (1, 'foundation');
