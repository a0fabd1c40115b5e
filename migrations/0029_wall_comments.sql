-- Comments of the live display.

INSERT INTO tapline.schema_migrations (version, name) VALUES (29, 'wall_comments');
