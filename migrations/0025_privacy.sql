-- Erasure of personal data.

INSERT INTO tapline.schema_migrations (version, name) VALUES (25, 'privacy');
