-- Tokens of those who may see the counts or the names.

INSERT INTO tapline.schema_migrations (version, name) VALUES (23, 'viewer_tokens');
