-- Settings of the live display: thresholds of zones, and the alarm of gates at a sudden drop.

INSERT INTO tapline.schema_migrations (version, name) VALUES (20, 'live_settings');
