-- Roles: who may do what. Described in docs/operating/database.md; the reasons are in
-- docs/internals/decisions/0010-database-roles.md.
--
-- tapline_migrate owns the schemas and runs the migrations. tapline_center stores scans, maintains partitions and the
-- registry. tapline_export reads the registry and records snapshots. tapline_reader reads the public schema as far as it
-- names no person; tapline_reader_names reads all of it.

-- The relations and functions of the public schema that show no name, reference, category or note of a person. All others
-- are for tapline_reader_names. A later migration adds its own.
CREATE TABLE tapline_internal.objects_without_names (name text PRIMARY KEY);
COMMENT ON TABLE tapline_internal.objects_without_names IS
    'Relations and functions of schema tapline that tapline_reader may use, because they name no person';
INSERT INTO tapline_internal.objects_without_names SELECT unnest(ARRAY[
    'access', 'broker_warnings', 'center_state', 'event', 'event_settings', 'gates', 'ingest_balance', 'journals',
    'live_gates', 'live_zones', 'passes', 'presence', 'quarantine_usage', 'run_scans', 'scan_partition_state',
    'scanner_health', 'scanner_overview', 'scanners', 'scans', 'schema_migrations', 'seq_gaps', 'snapshots', 'tags',
    'unsettled_spans', 'void_scans', 'zones',
    'accept_gap', 'age_text', 'condition_place', 'day_end', 'day_start', 'scan_time', 'scans_between', 'scans_of',
    'scans_received', 'verdict_name']);

-- The functions of the private schema, without those of the extension. Functions that a view, a constraint or a parsed
-- body names are called with the rights of the user, so everyone needs them.
CREATE VIEW tapline_internal.private_functions AS
SELECT f.oid, f.oid::regprocedure::text AS object, f.proname AS name,
    f.prorettype = 'trigger'::regtype AS is_of_trigger,
    EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid
        AND d.classid <> 'pg_trigger'::regclass) AS is_named
FROM pg_proc f
WHERE f.pronamespace = 'tapline_internal'::regnamespace AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e');

-- The functions of the public schema that are not for everyone.
CREATE VIEW tapline_internal.functions_with_names AS
SELECT f.oid, f.oid::regprocedure::text AS object
FROM pg_proc f
WHERE f.pronamespace = 'tapline'::regnamespace
    AND f.proname NOT IN (SELECT name FROM tapline_internal.objects_without_names);

-- The rights that each role needs, one row for each right. Rights of the center on tables of later migrations follow
-- from the schema. It writes all private tables, and creates no partition itself.
CREATE VIEW tapline_internal.required_grants AS
WITH relations AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
        format('%I.%I', n.nspname, c.relname) AS object
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('tapline', 'tapline_internal') AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
), read_by_export AS (
    SELECT unnest(ARRAY['event', 'event_settings', 'zones', 'gates', 'scanners', 'passes', 'access', 'attendees', 'tags',
        'snapshots', 'schema_migrations']) AS name
)
SELECT role, 'SCHEMA' AS kind, n.oid, n.nspname::text AS object, 'USAGE' AS privilege
FROM pg_namespace n, unnest(ARRAY['tapline_center', 'tapline_export']) AS role
WHERE n.nspname IN ('tapline', 'tapline_internal')
UNION ALL SELECT 'tapline_center', 'SCHEMA', oid, nspname, privilege
FROM pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) AS privilege WHERE nspname = 'tapline_partitions'
UNION ALL SELECT role, 'SCHEMA', oid, nspname, 'USAGE'
FROM pg_namespace, unnest(ARRAY['tapline_reader', 'tapline_reader_names']) AS role WHERE nspname = 'tapline'
UNION ALL SELECT 'tapline_reader', 'TABLE', oid, object, 'SELECT'
FROM relations JOIN tapline_internal.objects_without_names USING (name) WHERE schema = 'tapline'
UNION ALL SELECT 'tapline_reader_names', 'TABLE', oid, object, 'SELECT' FROM relations WHERE schema = 'tapline'
UNION ALL SELECT role, 'FUNCTION', oid, object, 'EXECUTE'
FROM tapline_internal.functions_with_names, unnest(ARRAY['tapline_reader_names', 'tapline_center']) AS role
UNION ALL SELECT 'tapline_center', 'TABLE', oid, object, 'SELECT' FROM relations
UNION ALL SELECT 'tapline_center', 'TABLE', oid, object, privilege
FROM relations, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege
WHERE kind <> 'v' AND CASE
    WHEN name IN ('schema_migrations', 'objects_without_names') THEN false
    WHEN name IN ('journals', 'snapshots') THEN privilege <> 'DELETE'
    WHEN name = 'scan_partitions' THEN privilege <> 'INSERT'
    ELSE true END
UNION ALL SELECT 'tapline_center', 'SEQUENCE', c.oid, format('tapline.%I', c.relname), privilege
FROM pg_class c, unnest(ARRAY['USAGE', 'SELECT']) AS privilege
WHERE c.relnamespace = 'tapline'::regnamespace AND c.relkind = 'S'
UNION ALL SELECT 'tapline_center', 'FUNCTION', oid, object, 'EXECUTE' FROM tapline_internal.private_functions
WHERE NOT is_of_trigger AND name NOT IN ('hand_over_scan_partition', 'grant_roles')
UNION ALL SELECT 'tapline_center', 'DATABASE', oid, datname, 'TEMPORARY' FROM pg_database
WHERE datname = current_database()
UNION ALL SELECT 'tapline_export', 'TABLE', r.oid, object, 'SELECT'
FROM relations r JOIN read_by_export USING (name) WHERE r.schema = 'tapline'
UNION ALL SELECT 'tapline_export', 'TABLE', oid, object, privilege
FROM relations JOIN (VALUES ('snapshots', 'INSERT'), ('snapshots', 'UPDATE'), ('centers', 'SELECT'))
    AS more(name, privilege) USING (name);

-- Returns what a user lacks of the rights of a role. No row: nothing. Everyone may call it, also without any right.
CREATE FUNCTION tapline_internal.missing_grants(of_role text, of_user name DEFAULT current_user) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%s on %s %s', privilege, lower(kind), object) FROM tapline_internal.required_grants
    WHERE role = of_role AND NOT CASE kind WHEN 'SCHEMA' THEN has_schema_privilege(of_user, oid, privilege)
        WHEN 'TABLE' THEN has_table_privilege(of_user, oid, privilege)
        WHEN 'DATABASE' THEN has_database_privilege(of_user, oid, privilege)
        WHEN 'SEQUENCE' THEN has_sequence_privilege(of_user, oid, privilege)
        ELSE has_function_privilege(of_user, oid, privilege) END
    UNION ALL
    SELECT format('ownership of %s partitions of scans', count(*)) FROM tapline_internal.scan_partitions p
    JOIN pg_class c ON c.relname = p.name AND c.relnamespace = 'tapline_partitions'::regnamespace
    WHERE of_role = 'tapline_center' AND NOT pg_has_role(of_user, c.relowner, 'USAGE')
    HAVING count(*) > 0
$$;

-- Creates the roles if the current user may, and grants their rights. Can be repeated at any time. Returns what is left
-- to do, as SQL for an administrator.
CREATE FUNCTION tapline_internal.grant_roles() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    named text;
    need record;
BEGIN
    FOREACH named IN ARRAY ARRAY['tapline_migrate', 'tapline_center', 'tapline_export', 'tapline_reader',
        'tapline_reader_names'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', named);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- by the migration of another database
            WHEN insufficient_privilege THEN RETURN NEXT format('CREATE ROLE %I NOLOGIN;', named);
        END;
    END LOOP;
    FOR need IN SELECT g.role, g.kind, g.privilege, string_agg(CASE kind WHEN 'DATABASE' THEN quote_ident(object)
            ELSE object END, ', ') AS objects
        FROM tapline_internal.required_grants g JOIN pg_roles r ON r.rolname = g.role
        WHERE kind <> 'DATABASE' OR pg_has_role((SELECT datdba FROM pg_database d WHERE d.oid = g.oid), 'USAGE')
        GROUP BY g.role, g.kind, g.privilege
    LOOP
        EXECUTE format('GRANT %s ON %s %s TO %I', need.privilege, need.kind, need.objects, need.role);
    END LOOP;
    -- The owner must be a member of the role that it gives partitions to.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tapline_center') THEN
        FOR need IN SELECT DISTINCT rolname AS role FROM pg_proc f JOIN pg_roles r ON r.oid = f.proowner
            WHERE f.oid = 'tapline_internal.hand_over_scan_partition'::regproc
                AND NOT pg_has_role(r.oid, 'tapline_center', 'MEMBER')
        LOOP
            BEGIN
                EXECUTE format('GRANT tapline_center TO %I', need.role);
            EXCEPTION WHEN insufficient_privilege THEN
                RETURN NEXT format('GRANT tapline_center TO %I;', need.role);
            END;
        END LOOP;
        PERFORM tapline_internal.hand_over_scan_partition(p.name) FROM tapline_internal.scan_partitions p
            JOIN pg_class c ON c.relname = p.name AND c.relnamespace = 'tapline_partitions'::regnamespace
            WHERE c.relowner <> 'tapline_center'::regrole;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION tapline_internal.grant_roles() FROM PUBLIC;

INSERT INTO tapline.schema_migrations (version, name) VALUES (19, 'roles');
