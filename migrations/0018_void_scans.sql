-- Void scans: what a stolen scanner has sent stays stored and counts nowhere. The spans are in 0003_journals.sql.

-- All void scans. Each run is read only if a span of its scanner overlaps its receipt.
CREATE VIEW tapline.void_scans AS
SELECT j.scanner_id, j.log, s.journal_id, s.seq, s.tag_id, s.scanned_at, s.verdict, s.flags, s.gate_id, s.received_at,
    v.since AS void_since, v.until AS void_until, v.made_at
FROM tapline_internal.void_spans v
JOIN tapline.journals j ON j.scanner_id = v.scanner_id
JOIN tapline.run_scans s ON s.journal_id = j.id AND s.received_last >= v.since AND s.received_first < v.until
    AND s.received_at >= v.since AND s.received_at < v.until;

-- Makes the scans void that arrive from a scanner from `since` to before `until`, or valid again. The caller rebuilds
-- what is tracked in the same transaction.
CREATE FUNCTION tapline_internal.set_void(scanner text, since timestamptz, until timestamptz, void boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    change constant tstzmultirange := tstzmultirange(tstzrange(since, until));
    before constant tstzmultirange := coalesce((SELECT range_agg(tstzrange(v.since, v.until))
        FROM tapline_internal.void_spans v WHERE v.scanner_id = scanner), '{}');
BEGIN
    DELETE FROM tapline_internal.void_spans v WHERE v.scanner_id = scanner;
    INSERT INTO tapline_internal.void_spans (scanner_id, since, until)
    SELECT scanner, lower(span), upper(span)
    FROM unnest(CASE WHEN void THEN before + change ELSE before - change END) AS span;
END $$;

-- A scanner that is enabled again is trusted from then on. Its open span ends, and its later scans count.
CREATE FUNCTION tapline_internal.end_void_span() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE tapline_internal.void_spans SET until = now() WHERE scanner_id = NEW.id AND since < now() AND until > now();
    DELETE FROM tapline_internal.void_spans WHERE scanner_id = NEW.id AND since >= now();
    RETURN NULL;
END $$;
CREATE TRIGGER end_void_span AFTER UPDATE OF enabled ON tapline.scanners
    FOR EACH ROW WHEN (NEW.enabled AND NOT OLD.enabled) EXECUTE FUNCTION tapline_internal.end_void_span();

COMMENT ON VIEW tapline.void_scans IS
    'Scans that count nowhere: not in presence, flow and double admissions. See `tapline-center scanner void-scans`';
COMMENT ON COLUMN tapline.void_scans.scanner_id IS 'Scanner';
COMMENT ON COLUMN tapline.void_scans.log IS 'Journal UUID';
COMMENT ON COLUMN tapline.void_scans.journal_id IS 'Journal';
COMMENT ON COLUMN tapline.void_scans.seq IS 'Position in the journal';
COMMENT ON COLUMN tapline.void_scans.tag_id IS 'Tag; 0: none';
COMMENT ON COLUMN tapline.void_scans.scanned_at IS 'Device time';
COMMENT ON COLUMN tapline.void_scans.verdict IS 'Verdict';
COMMENT ON COLUMN tapline.void_scans.flags IS 'Flags, see tapline.scans';
COMMENT ON COLUMN tapline.void_scans.gate_id IS 'Gate';
COMMENT ON COLUMN tapline.void_scans.received_at IS 'Arrival at the center, by which a scan is void';
COMMENT ON COLUMN tapline.void_scans.void_since IS 'Begin of the span in which scans of this scanner are void';
COMMENT ON COLUMN tapline.void_scans.void_until IS 'End of the span; infinity: still void';
COMMENT ON COLUMN tapline.void_scans.made_at IS 'Last change of the spans of this scanner';

-- Whether a batch is valid, so that it can be stored once its scanner is enrolled, or by a replay.
CREATE FUNCTION tapline_internal.can_be_replayed(reason text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN reason IN ('unknown-scanner', 'disabled-scanner', 'journal-rate');

-- Drops the oldest bodies of owners that take more than `most_bytes`, and the oldest rows of those with more than
-- `most_batches`, down to seven eighths. Batches that could be stored later are dropped last. Reason, size and digest
-- of a dropped body stay. Returns what was dropped.
CREATE FUNCTION tapline_internal.limit_quarantine(owners text[], most_bytes bigint, most_batches bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    share record;
    bodies bigint := 0;
    rows bigint := 0;
    dropped bigint := 0;
BEGIN
    FOR share IN SELECT * FROM tapline_internal.quarantine_shares s
        WHERE s.owner = ANY (owners) AND (s.bytes > most_bytes OR s.batches > most_batches) ORDER BY s.owner
    LOOP
        IF share.batches > most_batches THEN
            DELETE FROM tapline.quarantine WHERE id IN (SELECT id FROM tapline.quarantine WHERE owner = share.owner
                ORDER BY tapline_internal.can_be_replayed(reason), id LIMIT share.batches - most_batches / 8 * 7);
            GET DIAGNOSTICS rows = ROW_COUNT;
            SELECT bytes INTO share.bytes FROM tapline_internal.quarantine_shares WHERE owner = share.owner;
        END IF;
        IF share.bytes > most_bytes THEN
            UPDATE tapline.quarantine q SET body = '', detail = left(q.detail, 200), body_dropped_at = now()
            FROM (SELECT id, sum(octet_length(body)) OVER (ORDER BY tapline_internal.can_be_replayed(reason), id)
                    - octet_length(body) AS before
                FROM tapline.quarantine WHERE owner = share.owner AND body_dropped_at IS NULL) oldest
            WHERE q.id = oldest.id AND oldest.before < share.bytes - most_bytes / 8 * 7;
            GET DIAGNOSTICS bodies = ROW_COUNT;
        END IF;
        UPDATE tapline_internal.quarantine_shares SET dropped_bodies = dropped_bodies + bodies,
            dropped_batches = dropped_batches + rows, dropped_at = now() WHERE owner = share.owner;
        dropped := dropped + bodies + rows;
        bodies := 0;
        rows := 0;
    END LOOP;
    RETURN dropped;
END $$;

-- The shares of the quarantine, which 0006_ingest.sql keeps.
CREATE VIEW tapline.quarantine_usage AS
SELECT owner, batches, bytes, dropped_bodies, dropped_batches, dropped_at FROM tapline_internal.quarantine_shares
ORDER BY owner;
COMMENT ON VIEW tapline.quarantine_usage IS
    'What each owner takes of the quarantine: a scanner or a broker user. Above its limit the oldest bodies are dropped';
COMMENT ON COLUMN tapline.quarantine_usage.owner IS 'Broker user or scanner; empty: deliveries without a user';
COMMENT ON COLUMN tapline.quarantine_usage.batches IS 'Rows of tapline.quarantine';
COMMENT ON COLUMN tapline.quarantine_usage.bytes IS 'Size of their bodies and details';
COMMENT ON COLUMN tapline.quarantine_usage.dropped_bodies IS 'Bodies dropped so far; their rows stay';
COMMENT ON COLUMN tapline.quarantine_usage.dropped_batches IS 'Rows dropped so far';
COMMENT ON COLUMN tapline.quarantine_usage.dropped_at IS 'Last time at which something was dropped';
COMMENT ON COLUMN tapline.quarantine.owner IS 'Broker user or scanner whose share it takes; see tapline.quarantine_usage';
COMMENT ON COLUMN tapline.quarantine.body_dropped_at IS 'Time at which the body was dropped, as one of the oldest; null: kept';

INSERT INTO tapline.schema_migrations (version, name) VALUES (18, 'void_scans');
