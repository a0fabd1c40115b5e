-- Queries of scans by time, gate and verdict. Each reads only the runs that can hold its scans: `earliest` and `latest`
-- enclose the times of a run. A scan arrives after its time, so journals that were last heard before the span hold none
-- of its scans: this prunes partitions at run time. The subselects are evaluated once a query.

-- Each scan with its place in time, and what it counts for. Has the columns of the run for the functions below.
CREATE VIEW tapline.placed_scans AS
SELECT s.journal_id, s.seq, s.tag_id,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS time, s.verdict, s.flags, s.gate_id,
    s.verdict = 0 AND EXISTS (
        SELECT FROM tapline_internal.annulled x WHERE x.journal_id = s.journal_id AND x.seq = s.seq) AS is_annulled,
    (SELECT count(*) > 0 FROM tapline_internal.void_spans) AND EXISTS (
        SELECT FROM tapline_internal.void_journals v
        WHERE v.journal_id = s.journal_id AND s.received_at >= v.since AND s.received_at < v.until) AS is_void,
    s.snapshot_version, s.scanned_at, s.received_at, s.first_seq, s.last_seq, s.earliest, s.latest
FROM tapline_internal.stored_scans s;

-- The scans of the current event day.
CREATE VIEW tapline.scans_today AS
SELECT journal_id, seq, tag_id, time, verdict, flags, gate_id, is_annulled, is_void, snapshot_version, scanned_at,
    received_at
FROM tapline.placed_scans
WHERE journal_id >= (
        SELECT min(id) FROM tapline.journals WHERE last_received_at >= (SELECT tapline.day_start()))
    AND latest >= (SELECT tapline.day_start()) AND time >= (SELECT tapline.day_start());

-- All verdicts but 1 to 63, which are the refusals.
CREATE FUNCTION tapline_internal.other_verdicts() RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(set_byte('\x00', 0, verdict), '' ORDER BY verdict) FROM generate_series(0, 255) verdict
    WHERE verdict NOT BETWEEN 1 AND 63
$$;

-- The refusals of a run. `others`: other_verdicts(), which readers may not call here. ltrim finds the next one: the work grows with the refusals and not with the scans.
CREATE FUNCTION tapline_internal.refused_of(
    others bytea, verdicts bytea, scans integer, flags bytea, at_ms integer[], tags bigint[], received_us bigint[])
RETURNS TABLE (place integer, verdict smallint, flag smallint, at integer, tag_id bigint, received bigint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 10 AS $$
DECLARE
    width constant integer := octet_length(verdicts);
    rest bytea := ltrim(verdicts, others);
BEGIN
    WHILE octet_length(rest) > 0 LOOP
        place := width - octet_length(rest);
        verdict := get_byte(rest, 0);
        WHILE place < scans LOOP
            flag := get_byte(flags, place % octet_length(flags));
            at := at_ms[place + 1];
            tag_id := tags[place + 1];
            received := coalesce(received_us[place + 1], 0);
            RETURN NEXT;
            EXIT WHEN width > 1;
            place := place + 1;  -- all scans of the run have this verdict
        END LOOP;
        rest := ltrim(substr(rest, 2), others);
    END LOOP;
END $$;

-- All refused taps: the rows of placed_scans with a verdict from 1 to 63.
CREATE VIEW tapline.refused_scans AS
SELECT s.journal_id, s.seq, s.tag_id,
    tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS time, s.verdict, s.flags, s.gate_id,
    (SELECT count(*) > 0 FROM tapline_internal.void_spans) AND EXISTS (
        SELECT FROM tapline_internal.void_journals v
        WHERE v.journal_id = s.journal_id AND s.received_at >= v.since AND s.received_at < v.until) AS is_void,
    s.snapshot_version, s.scanned_at, s.received_at, s.first_seq, s.last_seq, s.earliest, s.latest
FROM (
    SELECT r.journal_id, r.first_seq + f.place AS seq, f.tag_id, f.verdict, f.flag AS flags, r.gate_id,
        r.base + f.at * interval '1 millisecond' AS scanned_at, r.snapshot_version,
        r.received_at + f.received * interval '1 microsecond' AS received_at,
        r.first_seq, r.last_seq, r.earliest, r.latest
    FROM tapline_internal.scan_runs r
    CROSS JOIN LATERAL tapline_internal.refused_of(
        tapline_internal.other_verdicts(), r.verdicts, (r.last_seq - r.first_seq + 1)::integer, r.flags, r.at_ms, r.tags, r.received_us) f) s;

-- All scans of a span, also denied ones and lane events, in no order: a query over them begins to return rows at once.
CREATE FUNCTION tapline.all_scans(since timestamptz, until timestamptz) RETURNS TABLE (
    "time" timestamptz, gate text, zone text, direction text, verdict smallint, verdict_name text, counts boolean,
    attendee_id bigint, name text, category text, external_ref text, tag_id bigint, scanner_id text, flags smallint,
    is_annulled boolean, is_void boolean, scanned_at timestamptz, received_at timestamptz, snapshot_version bigint,
    gate_id bigint, zone_id smallint, log uuid, journal_id bigint, seq bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT s.time, g.name, z.name, CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END, s.verdict,
        tapline.verdict_name(s.verdict),
        s.verdict = 0 AND s.flags & 16 <> 16 AND s.tag_id <> 0 AND NOT s.is_annulled AND NOT s.is_void, t.attendee_id,
        a.name, a.category, a.external_ref, nullif(s.tag_id, 0), j.scanner_id, s.flags, s.is_annulled, s.is_void,
        s.scanned_at, s.received_at, s.snapshot_version, s.gate_id, z.id, j.log, s.journal_id, s.seq
    FROM tapline.placed_scans s
    JOIN tapline.journals j ON j.id = s.journal_id
    LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
    LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
    LEFT JOIN tapline.gates g ON g.id = s.gate_id
    LEFT JOIN tapline.zones z ON z.id = CASE WHEN s.flags & 1 = 0 THEN g.zone_id ELSE g.from_zone_id END
    WHERE s.journal_id >= (SELECT min(id) FROM tapline.journals WHERE last_received_at >= (SELECT since))
        AND s.latest >= (SELECT since) AND s.earliest < (SELECT until)
        AND s.time >= (SELECT since) AND s.time < (SELECT until);
END;

-- The taps of the whole site, in their order. The settings are those of any query of many scans: the planner expects too
-- few of them, so nested loops are off, and parallel workers would send each scan with its whole run. Names are read
-- with the rights of the caller.
CREATE FUNCTION tapline.site_track(since timestamptz, until timestamptz) RETURNS TABLE (
    "time" timestamptz, gate text, zone text, direction text, verdict smallint, verdict_name text, counts boolean,
    attendee_id bigint, name text, external_ref text, tag_id bigint, scanner_id text, flags smallint, log uuid, seq bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000 ROWS 10000 SET jit = off SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 SET work_mem = '32MB' AS $$
BEGIN
    RETURN QUERY SELECT s.time, s.gate, s.zone, s.direction, s.verdict, s.verdict_name, s.counts, s.attendee_id, s.name,
        s.external_ref, s.tag_id, s.scanner_id, s.flags, s.log, s.seq
    FROM tapline.all_scans(since, until) s WHERE s.verdict < 128 ORDER BY s.time, s.log, s.seq;
END $$;

-- The same at one gate.
CREATE FUNCTION tapline.gate_track(gate text, since timestamptz, until timestamptz) RETURNS TABLE (
    "time" timestamptz, zone text, direction text, verdict smallint, verdict_name text, counts boolean,
    attendee_id bigint, name text, external_ref text, tag_id bigint, scanner_id text, flags smallint, log uuid, seq bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000 ROWS 1000 SET jit = off SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 SET work_mem = '32MB' AS $$
DECLARE
    wanted constant bigint := (SELECT g.id FROM tapline.gates g WHERE g.name = normalize(gate_track.gate, NFC));
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'there is no gate "%"', gate
            USING ERRCODE = 'no_data_found', HINT = 'SELECT name FROM tapline.gates lists them.';
    END IF;
    RETURN QUERY SELECT s.time, s.zone, s.direction, s.verdict, s.verdict_name, s.counts, s.attendee_id, s.name,
        s.external_ref, s.tag_id, s.scanner_id, s.flags, s.log, s.seq
    FROM tapline.all_scans(since, until) s
    WHERE s.gate_id = wanted AND s.verdict < 128 ORDER BY s.time, s.log, s.seq;
END $$;

-- The refused taps that count as refused: without inspections and void scans, as in live_gates.
CREATE FUNCTION tapline.refusals(since timestamptz, until timestamptz) RETURNS TABLE (
    "time" timestamptz, gate text, direction text, verdict smallint, reason text, attendee_id bigint, name text,
    category text, external_ref text, tag_id bigint, scanner_id text, flags smallint, snapshot_version bigint,
    gate_id bigint, log uuid, journal_id bigint, seq bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000 ROWS 10000 SET jit = off SET enable_nestloop = off
SET max_parallel_workers_per_gather = 0 SET work_mem = '32MB' AS $$
BEGIN
    RETURN QUERY SELECT s.time, g.name, CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END, s.verdict,
        tapline.verdict_name(s.verdict), t.attendee_id, a.name, a.category, a.external_ref, nullif(s.tag_id, 0),
        j.scanner_id, s.flags, s.snapshot_version, s.gate_id, j.log, s.journal_id, s.seq
    FROM tapline.refused_scans s
    JOIN tapline.journals j ON j.id = s.journal_id
    LEFT JOIN tapline.tags t ON t.tag_id = s.tag_id
    LEFT JOIN tapline.attendees a ON a.id = t.attendee_id
    LEFT JOIN tapline.gates g ON g.id = s.gate_id
    WHERE s.journal_id >= (SELECT min(c.id) FROM tapline.journals c WHERE c.last_received_at >= since)
        AND s.latest >= since AND s.earliest < until AND s.time >= since AND s.time < until
        AND s.flags & 16 = 0 AND NOT s.is_void
    ORDER BY s.time, j.log, s.seq;
END $$;

INSERT INTO tapline_internal.objects_without_names VALUES ('placed_scans'), ('refused_scans'), ('scans_today');
INSERT INTO tapline.schema_migrations (version, name) VALUES (26, 'scan_queries');
