-- Comments of the reports.

INSERT INTO tapline.schema_migrations (version, name) VALUES (28, 'report_comments');
