-- Refusals by gate, verdict and time slot, counted by the tracker.

INSERT INTO tapline.schema_migrations (version, name) VALUES (21, 'refusal_flow');
