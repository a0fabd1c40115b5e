-- Views of the live display: zones, gates, arrivals, refusals, fleet.

INSERT INTO tapline.schema_migrations (version, name) VALUES (22, 'wall_views');
