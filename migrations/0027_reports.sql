-- Reports.

INSERT INTO tapline.schema_migrations (version, name) VALUES (27, 'reports');
