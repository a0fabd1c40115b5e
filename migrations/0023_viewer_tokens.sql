-- Tokens of viewers: who may see the counts, or also the names, over HTTP. The database holds hashes only.

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

INSERT INTO tapline.schema_migrations (version, name) VALUES (23, 'viewer_tokens');
