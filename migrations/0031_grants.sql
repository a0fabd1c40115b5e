-- Grants the rights of the roles (0019_roles.sql) on all objects of the schema. It is the last file.

-- Scans by tag ID, and reports that count.
INSERT INTO tapline_internal.objects_without_names SELECT unnest(ARRAY[
    'placed_scans', 'refused_scans', 'scans_today', 'report_arrivals', 'report_busiest', 'report_categories',
    'report_dwell', 'report_late', 'report_reentries', 'report_refusals']) ON CONFLICT DO NOTHING;

-- A trigger needs no right of the user who writes. But who may execute its function can attach it to another table, and
-- it then runs there with the rights of the owner.
DO $$
DECLARE
    private record;
BEGIN
    -- Everyone may ask what rights are missing.
    FOR private IN SELECT * FROM tapline_internal.private_functions
        WHERE (is_of_trigger OR NOT is_named) AND name <> 'missing_grants'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', private.object);
    END LOOP;
    FOR private IN SELECT * FROM tapline_internal.functions_with_names LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', private.object);
    END LOOP;
END $$;

DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT * FROM tapline_internal.grant_roles() LOOP
        RAISE NOTICE 'the roles are not complete' USING HINT = 'As an administrator: ' || statement
            || ' Then: SELECT * FROM tapline_internal.grant_roles()';
    END LOOP;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (31, 'grants');
