-- Scans under a clock that the device did not trust (flag bit 2) have a place in time. See docs/concepts/clocks.md.

-- A separate table, because such scans are rare: a column would make each row of tapline.scans longer. Written in the
-- transaction that stores the scan, and never changed. Retention drops the rows with their scans.
CREATE TABLE tapline_internal.scan_times (
    journal_id bigint NOT NULL,
    seq bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
COMMENT ON TABLE tapline_internal.scan_times IS
    'Places in time of the scans whose device clock was not trusted; see tapline.scan_time';

-- SECURITY DEFINER: readers of the views have no access to tapline_internal.
CREATE FUNCTION tapline_internal.placed_at(journal bigint, scan bigint) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN (SELECT t.placed_at FROM tapline_internal.scan_times t WHERE t.journal_id = journal AND t.seq = scan);
END $$;

-- Inlined, so that a scan with a trusted clock costs one test of its flags. Flagged scans of earlier versions have no
-- place.
CREATE FUNCTION tapline.scan_time(
    journal_id bigint, seq bigint, flags smallint, scanned_at timestamptz, received_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN flags & 4 = 0 THEN least(scanned_at, received_at)
    ELSE coalesce(tapline_internal.placed_at(journal_id, seq), least(scanned_at, received_at)) END;
COMMENT ON FUNCTION tapline.scan_time(bigint, bigint, smallint, timestamptz, timestamptz) IS
    'Time of a scan: the earlier of device time and arrival; of a scan whose clock was not trusted the time at which '
    'the center placed it. First key of the order of a tag''s scans (contract.md section 4)';

-- As in 0003_tracking.sql, with scan_time.
CREATE OR REPLACE VIEW tapline_internal.passages AS
SELECT s.journal_id, s.seq, s.tag_id, s.gate_id, s.flags & 1 AS direction, s.flags, s.scanned_at, s.received_at,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS ordered_at
FROM tapline.scans s
WHERE s.verdict = 0 AND s.flags & 16 <> 16 AND s.tag_id <> 0
    AND NOT EXISTS (
        SELECT FROM tapline_internal.annulled x WHERE x.journal_id = s.journal_id AND x.seq = s.seq);

CREATE OR REPLACE VIEW tapline_internal.scan_flow AS
SELECT s.journal_id, s.seq, s.gate_id, s.at,
    (s.verdict = 0 AND s.flags & 17 = 0 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_in,
    (s.verdict = 0 AND s.flags & 17 = 1 AND s.tag_id <> 0 AND x.seq IS NULL)::int AS passed_out,
    (s.verdict BETWEEN 1 AND 63 AND s.flags & 16 = 0)::int AS refused,
    (s.verdict = 64)::int AS annulled, (s.verdict IN (133, 134))::int AS untapped,
    CASE WHEN s.verdict < 128 THEN s.at END AS tapped_at
FROM (
    SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS at FROM tapline.scans) s
LEFT JOIN tapline_internal.annulled x ON x.journal_id = s.journal_id AND x.seq = s.seq
WHERE s.gate_id IS NOT NULL;

-- As in 0007_report_views.sql, with scan_time.
CREATE OR REPLACE VIEW tapline.delegate_track AS
SELECT a.id AS attendee_id, a.name, a.external_ref,
    tapline_internal.event_day(s.ordered_at, e.time_zone, e.day_start) AS day,
    s.ordered_at AS time, g.name AS gate,
    CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END AS zone,
    CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END AS direction,
    s.verdict, tapline.verdict_name(s.verdict) AS verdict_name,
    s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AS counts,
    s.flags, j.scanner_id, s.tag_id, s.gate_id, s.scanned_at, s.received_at, s.snapshot_version, j.log, s.journal_id,
    s.seq
FROM tapline.attendees a
JOIN tapline.tags t ON t.attendee_id = a.id
CROSS JOIN LATERAL (
    SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS ordered_at
    FROM tapline.scans_of(t.tag_id)) s
JOIN tapline.journals j ON j.id = s.journal_id
LEFT JOIN tapline.gates g ON g.id = s.gate_id
LEFT JOIN tapline.zones z ON z.id = g.zone_id
LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
CROSS JOIN tapline.event_settings e
ORDER BY a.id, s.ordered_at, j.log, s.seq;
COMMENT ON COLUMN tapline.delegate_track.time IS 'Time of the scan, see tapline.scan_time';
COMMENT ON COLUMN tapline.presence.since IS 'Time of that scan, see tapline.scan_time';
COMMENT ON COLUMN tapline.presence.ordered_at IS
    'First key of the order of a tag''s scans: tapline.scan_time of that scan';

-- As in 0005_verification.sql, with scan_time.
CREATE OR REPLACE FUNCTION tapline_internal.rebuild_tracking(repair boolean)
RETURNS TABLE (relation text, rows_right bigint, rows_missing bigint, rows_wrong bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    complete_since timestamptz;
BEGIN
    CREATE TEMP TABLE held ON COMMIT DROP AS SELECT id, retired_seq FROM tapline.journals j
        WHERE EXISTS (SELECT FROM tapline.scans s WHERE s.journal_id = j.id);
    ALTER TABLE held ADD PRIMARY KEY (id);
    ANALYZE held;

    CREATE TEMP TABLE new_annulled ON COMMIT DROP AS SELECT * FROM tapline_internal.annulled_expected;
    RETURN QUERY SELECT 'annulled', count(*) FILTER (WHERE n.seq IS NOT NULL AND o.seq IS NOT NULL),
        count(*) FILTER (WHERE o.seq IS NULL), count(*) FILTER (WHERE n.seq IS NULL)
    FROM (SELECT a.* FROM tapline_internal.annulled a JOIN held ON held.id = a.journal_id) o
    FULL JOIN new_annulled n USING (journal_id, seq);
    IF repair THEN
        DELETE FROM tapline_internal.annulled a USING held WHERE held.id = a.journal_id;
        INSERT INTO tapline_internal.annulled SELECT * FROM new_annulled;
        DELETE FROM tapline_internal.tracking_queue;
    END IF;

    CREATE TEMP TABLE new_presence ON COMMIT DROP AS SELECT * FROM tapline_internal.presence_expected t
        WHERE NOT EXISTS (
            SELECT FROM tapline.presence p WHERE p.tag_id = t.tag_id AND NOT EXISTS (
                    SELECT FROM held WHERE held.id = p.journal_id AND p.seq > held.retired_seq)
                AND (p.ordered_at, p.log, p.seq) > (t.ordered_at, t.log, t.seq));
    RETURN QUERY SELECT 'presence', count(*) FILTER (WHERE ROW(n.*) IS NOT DISTINCT FROM ROW(o.*)),
        count(*) FILTER (WHERE o.tag_id IS NULL),
        count(*) FILTER (WHERE o.tag_id IS NOT NULL AND ROW(n.*) IS DISTINCT FROM ROW(o.*))
    FROM (SELECT tag_id, attendee_id, zone_id, since, scanner_id, gate_id, direction, ordered_at, log, seq, journal_id
          FROM tapline.presence p
          WHERE EXISTS (SELECT FROM held WHERE held.id = p.journal_id AND p.seq > held.retired_seq)) o
    FULL JOIN new_presence n ON n.tag_id = o.tag_id;
    IF repair THEN
        DELETE FROM tapline.presence p USING held WHERE held.id = p.journal_id AND p.seq > held.retired_seq;
        INSERT INTO tapline.presence AS p (tag_id, attendee_id, zone_id, since, scanner_id, gate_id, direction, ordered_at,
            log, seq, journal_id)
        SELECT tag_id, attendee_id, zone_id, since, scanner_id, gate_id, direction, ordered_at, log, seq, journal_id
        FROM new_presence
        ON CONFLICT (tag_id) DO UPDATE SET
            attendee_id = excluded.attendee_id, zone_id = excluded.zone_id, since = excluded.since,
            scanner_id = excluded.scanner_id, gate_id = excluded.gate_id, direction = excluded.direction,
            ordered_at = excluded.ordered_at, log = excluded.log, journal_id = excluded.journal_id, seq = excluded.seq
        WHERE (excluded.ordered_at, excluded.log, excluded.seq) > (p.ordered_at, p.log, p.seq);
    END IF;

    -- Compared by minute, because the finer slots depend on when a scan was tracked. Earlier minutes keep their counts:
    -- their scans may be incomplete, because they lie before the first stored scan or were dropped by retention.
    SELECT greatest(
        (SELECT date_trunc('minute', min(at)) FROM tapline_internal.scan_flow),
        (SELECT date_trunc('minute', max(last_received_at)) + interval '1 minute' FROM tapline.journals WHERE retired_seq > 0))
        INTO complete_since;
    CREATE TEMP TABLE new_flow ON COMMIT DROP AS
    SELECT gate_id,
        CASE WHEN at > now() - interval '2 minutes' THEN date_bin('10 seconds', at, 'epoch') ELSE date_trunc('minute', at) END
            AS slot,
        sum(passed_in)::bigint AS passed_in, sum(passed_out)::bigint AS passed_out, sum(refused)::bigint AS refused,
        sum(annulled)::bigint AS annulled, sum(untapped)::bigint AS untapped, max(tapped_at) AS last_at
    FROM tapline_internal.scan_flow WHERE at >= complete_since GROUP BY 1, 2
    HAVING sum(passed_in + passed_out + refused + annulled + untapped) > 0 OR max(tapped_at) IS NOT NULL;
    RETURN QUERY
    WITH slots AS (
        SELECT true AS is_new, * FROM new_flow
        UNION ALL
        SELECT false, * FROM tapline_internal.gate_flow
        WHERE slot >= complete_since
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
    IF repair THEN
        DELETE FROM tapline_internal.gate_flow WHERE slot >= complete_since;
        INSERT INTO tapline_internal.gate_flow SELECT * FROM new_flow;
    END IF;
    DROP TABLE held, new_annulled, new_presence, new_flow;
END $$;

INSERT INTO tapline.schema_migrations (version, name) VALUES (14, 'clock');
