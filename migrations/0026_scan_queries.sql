-- Queries of scans by time, gate and verdict.

INSERT INTO tapline.schema_migrations (version, name) VALUES (26, 'scan_queries');
