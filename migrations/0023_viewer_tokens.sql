-- Tokens of viewers: who may see the counts, or also the names, over HTTP. The database holds hashes only. Then the turns of
-- transactions that add tags.

CREATE TABLE tapline_internal.viewer_tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name !~ '[[:cntrl:]]'),
    role text NOT NULL CHECK (role IN ('viewer', 'viewer-names')),
    made_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at > made_at),
    revoked_at timestamptz
);
-- A name is free again after a revocation.
CREATE UNIQUE INDEX viewer_tokens_name ON tapline_internal.viewer_tokens (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE tapline_internal.viewer_tokens IS
    'Tokens of people and programs that look at the wall, also those that are revoked or expired';
COMMENT ON COLUMN tapline_internal.viewer_tokens.token_hash IS 'SHA-256 of the token as text, which is shown once';
COMMENT ON COLUMN tapline_internal.viewer_tokens.name IS
    'Name of the person or screen that has the token; unique among those that are not revoked';
COMMENT ON COLUMN tapline_internal.viewer_tokens.role IS
    'viewer: counts. viewer-names: also names, the search for people and the reasons of refusals';
COMMENT ON COLUMN tapline_internal.viewer_tokens.made_at IS 'Time at which the token was made';
COMMENT ON COLUMN tapline_internal.viewer_tokens.expires_at IS 'End of the token';
COMMENT ON COLUMN tapline_internal.viewer_tokens.revoked_at IS 'Time of `token revoke`; null: not revoked';

-- Called by the triggers that keep shared_tags. Two transactions that each add a tag of one attendee do not see the tag of
-- the other. So the second one waits at the row of the attendee until the first has ended; its next query sees the tag.
-- An import has a lock on the table, which lets no other transaction add tags. At REPEATABLE READ the next query would
-- still not see it; the check of the tracked relations repairs that.
CREATE FUNCTION tapline_internal.take_turns(people bigint[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF people <> '{}' AND NOT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND granted
        AND relation = 'tapline.tags'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode IN ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) THEN
        -- In one order, so that two statements for the same people do not wait for each other.
        PERFORM FROM tapline.attendees WHERE id = ANY (people) ORDER BY id FOR NO KEY UPDATE;
    END IF;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (23, 'viewer_tokens');
