-- Refusals by gate, verdict and minute, counted by the tracker beside gate_flow, in the same transaction. Then the flow of
-- the live display.

-- Verdicts 1 to 63, no inspection, not void: their sum is gate_flow.refused.
CREATE TABLE tapline_internal.refusal_flow (
    gate_id bigint NOT NULL,
    slot timestamptz NOT NULL,  -- begin of the minute of the tap
    verdict smallint NOT NULL CHECK (verdict BETWEEN 1 AND 63),
    refused bigint NOT NULL,
    PRIMARY KEY (gate_id, slot, verdict)
) WITH (fillfactor = 70);
CREATE INDEX refusal_flow_slot ON tapline_internal.refusal_flow (slot);

-- The part of rebuild_tracking for all that is counted by gate, and for shared_tags. Called by it after the annulments
-- were repaired.
--
-- Flow is compared by minute, because the finer slots depend on when a scan was tracked. Earlier minutes keep their
-- counts: their scans may be incomplete, because they lie before the first stored scan or were dropped by retention.
-- Nested loops and parallel workers are off as in rebuild_tracking.
CREATE FUNCTION tapline_internal.rebuild_flow(repair boolean)
RETURNS TABLE (relation text, rows_right bigint, rows_missing bigint, rows_wrong bigint)
LANGUAGE plpgsql SET enable_nestloop = off SET max_parallel_workers_per_gather = 0 AS $$
#variable_conflict use_column
DECLARE
    complete_since timestamptz;
BEGIN
    CREATE TEMP TABLE new_minutes ON COMMIT DROP AS
    SELECT gate_id, date_trunc('minute', at) AS minute,
        CASE WHEN at > now() - interval '2 minutes' THEN date_bin('10 seconds', at, 'epoch')
            ELSE date_trunc('minute', at) END AS slot,
        CASE WHEN refused > 0 THEN verdict END AS refusal,
        sum(passed_in)::bigint AS passed_in, sum(passed_out)::bigint AS passed_out, sum(refused)::bigint AS refused,
        sum(annulled)::bigint AS annulled, sum(untapped)::bigint AS untapped, max(tapped_at) AS last_at
    FROM tapline_internal.scan_flow GROUP BY 1, 2, 3, 4;
    SELECT greatest(
        (SELECT min(minute) FROM new_minutes),
        (SELECT date_trunc('minute', max(last_received_at)) + interval '1 minute' FROM tapline.journals WHERE retired_seq > 0))
        INTO complete_since;
    CREATE TEMP TABLE new_flow ON COMMIT DROP AS
    SELECT gate_id, slot, sum(passed_in)::bigint AS passed_in, sum(passed_out)::bigint AS passed_out,
        sum(refused)::bigint AS refused, sum(annulled)::bigint AS annulled, sum(untapped)::bigint AS untapped,
        max(last_at) AS last_at
    FROM new_minutes WHERE minute >= complete_since GROUP BY 1, 2
    HAVING sum(passed_in + passed_out + refused + annulled + untapped) > 0 OR max(last_at) IS NOT NULL;
    RETURN QUERY
    WITH slots AS (
        SELECT true AS is_new, * FROM new_flow
        UNION ALL
        SELECT false, * FROM tapline_internal.gate_flow WHERE slot >= complete_since
    ), minutes AS (
        SELECT gate_id, date_trunc('minute', slot) AS minute, is_new,
            ARRAY[sum(passed_in), sum(passed_out), sum(refused), sum(annulled), sum(untapped)] AS counts, max(last_at) AS last_at
        FROM slots GROUP BY 1, 2, 3
    )
    SELECT 'gate_flow', count(*) FILTER (WHERE ROW(n.counts, n.last_at) IS NOT DISTINCT FROM ROW(o.counts, o.last_at)),
        count(*) FILTER (WHERE o.gate_id IS NULL),
        count(*) FILTER (WHERE o.gate_id IS NOT NULL
            AND ROW(n.counts, n.last_at) IS DISTINCT FROM ROW(o.counts, o.last_at))
    FROM (SELECT * FROM minutes WHERE NOT is_new) o
    FULL JOIN (SELECT * FROM minutes WHERE is_new) n ON n.gate_id = o.gate_id AND n.minute = o.minute;

    CREATE TEMP TABLE new_refusals ON COMMIT DROP AS
    SELECT gate_id, minute AS slot, refusal AS verdict, sum(refused)::bigint AS refused
    FROM new_minutes WHERE minute >= complete_since AND refusal IS NOT NULL GROUP BY 1, 2, 3;
    RETURN QUERY
    SELECT 'refusal_flow', count(*) FILTER (WHERE n.refused = o.refused), count(*) FILTER (WHERE o.gate_id IS NULL),
        count(*) FILTER (WHERE o.gate_id IS NOT NULL AND n.refused IS DISTINCT FROM o.refused)
    FROM (SELECT * FROM tapline_internal.refusal_flow WHERE slot >= complete_since) o
    FULL JOIN new_refusals n ON n.gate_id = o.gate_id AND n.slot = o.slot AND n.verdict = o.verdict;

    CREATE TEMP TABLE new_shared ON COMMIT DROP AS
    SELECT tag_id, attendee_id FROM (SELECT tag_id, attendee_id, count(*) OVER (PARTITION BY attendee_id) AS tags
        FROM tapline.tags) t WHERE tags > 1;
    -- A tag that is not shared any more is not wrong, if its attendee is right.
    RETURN QUERY
    SELECT 'shared_tags', count(*) FILTER (WHERE o.attendee_id = t.attendee_id),
        count(*) FILTER (WHERE o.tag_id IS NULL), count(*) FILTER (WHERE o.attendee_id <> t.attendee_id)
    FROM tapline_internal.shared_tags o FULL JOIN new_shared n ON n.tag_id = o.tag_id
    LEFT JOIN tapline.tags t ON t.tag_id = coalesce(o.tag_id, n.tag_id);
    IF repair THEN
        DELETE FROM tapline_internal.gate_flow WHERE slot >= complete_since;
        INSERT INTO tapline_internal.gate_flow SELECT * FROM new_flow;
        DELETE FROM tapline_internal.refusal_flow WHERE slot >= complete_since;
        INSERT INTO tapline_internal.refusal_flow SELECT * FROM new_refusals;
        -- No waiting for a transaction that adds tags at this moment: its trigger has added what it knows.
        INSERT INTO tapline_internal.shared_tags SELECT * FROM new_shared
        ON CONFLICT (tag_id) DO UPDATE SET attendee_id = excluded.attendee_id
            WHERE tapline_internal.shared_tags.attendee_id <> excluded.attendee_id;
    END IF;
    DROP TABLE new_minutes, new_flow, new_refusals, new_shared;
END $$;

CREATE VIEW tapline.refusals_by_reason AS
SELECT verdict, tapline.verdict_name(verdict) AS reason, sum(refused)::bigint AS refused_today,
    coalesce(sum(refused) FILTER (WHERE slot >= date_trunc('minute', now()) - interval '59 minutes'), 0)::bigint
        AS refused_hour
FROM tapline_internal.refusal_flow WHERE slot >= date_trunc('minute', (SELECT tapline.day_start()))
GROUP BY verdict ORDER BY refused_today DESC, verdict;

CREATE VIEW tapline.gate_minutes AS
SELECT gate_id, date_trunc('minute', slot) AS minute, sum(passed_in)::bigint AS passed_in,
    sum(passed_out)::bigint AS passed_out, sum(refused)::bigint AS refused
FROM tapline_internal.gate_flow
WHERE slot >= date_trunc('minute', now()) - interval '60 minutes' AND slot < date_trunc('minute', now())
GROUP BY 1, 2;

-- SECURITY DEFINER, as the other functions that read private tables.
CREATE FUNCTION tapline.arrival_curve(day date DEFAULT NULL) RETURNS TABLE (slot timestamptz, entries bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 100 AS $$
DECLARE
    step constant interval := '15 minutes';
    since timestamptz;
    until timestamptz;
BEGIN
    SELECT date_trunc('minute', tapline.day_start(CASE WHEN day IS NULL THEN now()
        ELSE (day + e.day_start) AT TIME ZONE e.time_zone END)) INTO since FROM tapline.event_settings e;
    until := least(date_trunc('minute', tapline.day_end(since + interval '1 minute')), now());
    RETURN QUERY SELECT s.begins, coalesce(f.entries, 0)
    FROM generate_series(since, until - interval '1 microsecond', step) AS s(begins)
    LEFT JOIN (
        SELECT date_bin(step, n.slot, since) AS begins, sum(n.passed_in)::bigint AS entries
        FROM tapline_internal.gate_flow n JOIN tapline.gates g ON g.id = n.gate_id
        WHERE g.from_zone_id IS NULL AND n.slot >= since AND n.slot < until GROUP BY 1
    ) f ON f.begins = s.begins ORDER BY s.begins;
END $$;

COMMENT ON VIEW tapline.refusals_by_reason IS
    'Refused taps of the current event day by verdict, without inspections and void scans';
COMMENT ON COLUMN tapline.refusals_by_reason.verdict IS 'Verdict, 1 to 63';
COMMENT ON COLUMN tapline.refusals_by_reason.reason IS 'Name of the verdict';
COMMENT ON COLUMN tapline.refusals_by_reason.refused_today IS 'Taps since the day start';
COMMENT ON COLUMN tapline.refusals_by_reason.refused_hour IS
    'Of these, taps in the last 60 minutes, the present one included';
COMMENT ON VIEW tapline.gate_minutes IS
    'Flow of the last 60 full minutes by the time of the tap; minutes without flow are missing';
COMMENT ON COLUMN tapline.gate_minutes.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.gate_minutes.minute IS 'Begin of the minute';
COMMENT ON COLUMN tapline.gate_minutes.passed_in IS 'People that passed inwards';
COMMENT ON COLUMN tapline.gate_minutes.passed_out IS 'People that passed outwards';
COMMENT ON COLUMN tapline.gate_minutes.refused IS 'Refused taps';
COMMENT ON FUNCTION tapline.arrival_curve(date) IS
    'Entries from off site by quarters of an hour of an event day (null: today); re-entries count';
COMMENT ON VIEW tapline.arrivals_by_category IS 'People of the current event day by category';
COMMENT ON COLUMN tapline.arrivals_by_category.category IS 'Category; null: none, or a tag without an attendee';
COMMENT ON COLUMN tapline.arrivals_by_category.arrived IS 'People that passed since the day start';
COMMENT ON COLUMN tapline.arrivals_by_category.expected IS 'Active attendees with a pass';
COMMENT ON VIEW tapline.arrivals_by_pass IS 'People of the current event day by pass';
COMMENT ON COLUMN tapline.arrivals_by_pass.pass_id IS 'Pass; null: none';
COMMENT ON COLUMN tapline.arrivals_by_pass.pass IS 'Name of the pass';
COMMENT ON COLUMN tapline.arrivals_by_pass.arrived IS 'People that passed since the day start';
COMMENT ON COLUMN tapline.arrivals_by_pass.expected IS 'Active attendees';

INSERT INTO tapline_internal.objects_without_names VALUES
    ('refusals_by_reason'), ('gate_minutes'), ('arrival_curve');

INSERT INTO tapline.schema_migrations (version, name) VALUES (21, 'refusal_flow');
