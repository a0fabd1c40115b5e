-- Search for people.

INSERT INTO tapline.schema_migrations (version, name) VALUES (24, 'people_search');
