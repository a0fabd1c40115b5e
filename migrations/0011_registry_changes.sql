-- Whoever changes the registration list, plain SQL included, tells the centers at the commit: they publish a new snapshot.
-- Statements, not rows: a transaction is heard of once, however many rows it changes.

CREATE FUNCTION tapline.tell_registry_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY tapline_registry;
    RETURN NULL;
END $$;

-- Names of people, categories and capacities are in no snapshot.
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, status, pass_id ON tapline.attendees
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, name, parent_id ON tapline.zones
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.tags
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.passes
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.access
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.gates
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.scanners
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();
CREATE TRIGGER tell_change AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON tapline.event
    FOR EACH STATEMENT EXECUTE FUNCTION tapline.tell_registry_change();

-- What the snapshot says, apart from its version and times (SPEC.md section 6): a center finds that another has published the
-- same list, and publishes the same file under the same version.
ALTER TABLE tapline.snapshots ADD COLUMN content text CHECK (content ~ '^[0-9a-f]{64}$');

INSERT INTO tapline.schema_migrations (version, name) VALUES (11, 'registry_changes');
