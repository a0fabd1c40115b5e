-- Search for people: by part of a name, reference or category, by tag ID, and where one person is and was.

-- Marks without a width of their own: Latin, Hebrew and Arabic diacritics, the tatweel (0640), joiners and directions.
-- NFKD has split letters from their marks, so alef and its hamza are two characters here.
-- No SET search_path: it would take a seventh of the time of a name, and the function has only its caller's rights.
CREATE FUNCTION tapline_internal.fold_letters(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    folded text := lower(regexp_replace(normalize(value, NFKD),
        '[\u0300-\u036F\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u0640'
        '\u064B-\u065F\u0670\u0674\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u1AB0-\u1AFF\u1DC0-\u1DFF'
        '\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\u00AD\u061C\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]',
        '', 'g') COLLATE "und-x-icu");
BEGIN
    -- A look costs less than a replacement, and most names need none.
    IF octet_length(folded) = length(folded) AND strpos(folded, '`') = 0 THEN RETURN folded; END IF;
    -- Alef wasla, alef maqsura, ta marbuta; Persian and Urdu kaf, ya and ha.
    IF folded ~ '[\u0671\u0649\u0629\u06A9\u06CC\u06D2\u06C1\u06BE\u06D5\u06C0]' THEN
        folded := translate(folded, U&'\0671\0649\0629\06A9\06CC\06D2\06C1\06BE\06D5\06C0',
            U&'\0627\064A\0647\0643\064A\064A\0647\0647\0647\0647');
    END IF;
    IF folded ~ '[\u0660-\u0669\u06F0-\u06F9]' THEN
        folded := translate(folded, U&'\0660\0661\0662\0663\0664\0665\0666\0667\0668\0669'
            '\06F0\06F1\06F2\06F3\06F4\06F5\06F6\06F7\06F8\06F9', '01234567890123456789');
    END IF;
    -- Latin letters with a stroke, dotless i, final sigma, apostrophes, hyphens.
    IF folded ~ '[\u00F8\u0142\u0111\u00F0\u0127\u0167\u0131\u03C2\u2018\u2019\u02BB\u02BC`'
        '\u2010\u2012-\u2014\u2212]' THEN
        folded := translate(folded, U&'\00F8\0142\0111\00F0\0127\0167\0131\03C2\2018\2019\02BB\02BC\0060'
            '\2010\2012\2013\2014\2212', U&'olddhti\03C3''''''''''-----');
    END IF;
    IF folded ~ '[\u00DF\u00E6\u0153\u00FE]' THEN
        folded := replace(replace(folded, U&'\00DF', 'ss'), U&'\00E6', 'ae');
        folded := replace(replace(folded, U&'\0153', 'oe'), U&'\00FE', 'th');
    END IF;
    RETURN folded;
END $$;

-- Folds a text, so that spellings that people take for one another are equal: case, diacritics, compatibility forms,
-- Arabic letter forms and digits, and marks that are not seen. The result is for comparisons only.
--
-- The collation is named, because the database may have LC_CTYPE C, which knows ASCII letters only. The first branch
-- keeps imports fast: most names in ASCII need nothing else.
-- RETURN: a text would be read as the caller, who may have no access to tapline_internal.
CREATE FUNCTION tapline_internal.fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN octet_length(value) = length(value) AND strpos(value, '`') = 0 THEN lower(value COLLATE "C")
        ELSE tapline_internal.fold_letters(value) END;

COMMENT ON FUNCTION tapline_internal.fold(text) IS
    'Text for comparisons: equal for spellings that differ in case, diacritics or Arabic letter forms only';
COMMENT ON FUNCTION tapline_internal.fold_letters(text) IS 'The part of fold for texts that are not ASCII';

-- A line break separates the three values, so that no word is found across two of them.
ALTER TABLE tapline.attendees ADD COLUMN search_text text NOT NULL GENERATED ALWAYS AS (
    tapline_internal.fold(name) || E'\n' || coalesce(tapline_internal.fold(external_ref), '') || E'\n'
        || coalesce(tapline_internal.fold(category), '')) STORED;
COMMENT ON COLUMN tapline.attendees.search_text IS
    'Name, reference and category, folded for tapline.find_attendees: lower case, without diacritics, Arabic letter '
    'forms unified';

-- The functions below show names. 0030_grants.sql permits them to tapline_reader_names and to the center only.

-- All words must occur. A sequential scan needs no extension, and takes a fraction of the limit of 200 ms for 100,000
-- people. The first two branches use indexes.
CREATE FUNCTION tapline.find_attendees(query text, at_most integer DEFAULT 50) RETURNS TABLE (
    attendee_id bigint, name text, category text, external_ref text, status text, tags bigint, matched text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 50 AS $$
#variable_conflict use_column
DECLARE
    trimmed constant text := btrim(regexp_replace(normalize(query, NFC), '\s+', ' ', 'g'));
    folded constant text := btrim(regexp_replace(tapline_internal.fold(query), '\s+', ' ', 'g'));
    escaped constant text := regexp_replace(folded, '([\\%_])', '\\\1', 'g');
    patterns text[];
    tag bigint;
BEGIN
    IF length(query) > 200 THEN
        RAISE EXCEPTION 'the text to search for has % characters, but at most 200 are allowed', length(query)
            USING ERRCODE = 'program_limit_exceeded';
    END IF;
    IF coalesce(folded, '') = '' THEN RETURN; END IF;
    SELECT array_agg('%' || word || '%' ORDER BY length(word) DESC) INTO patterns
        FROM string_to_table(escaped, ' ') AS word;
    IF trimmed ~ '^-?[0-9]{1,18}$' OR trimmed ~ '^-?[0-9]{19}$' AND trimmed::numeric BETWEEN -9223372036854775808
        AND 9223372036854775807 THEN tag := trimmed::bigint; END IF;
    RETURN QUERY
    SELECT f.id, f.name, f.category, f.external_ref, f.status,
        (SELECT count(*) FROM tapline.tags t WHERE t.attendee_id = f.id),
        (ARRAY['reference', 'tag', 'name', 'part', 'part'])[f.place]
    FROM (
        SELECT DISTINCT ON (found.id) a.*, found.place FROM (
            SELECT a.id, 1 AS place FROM tapline.attendees a WHERE a.external_ref = trimmed
            UNION ALL SELECT t.attendee_id, 2 FROM tapline.tags t WHERE t.tag_id = tag
            UNION ALL (
                SELECT a.id, CASE WHEN a.search_text LIKE escaped || E'\n%' OR a.search_text LIKE E'%\n' || escaped || E'\n%'
                    THEN 3 WHEN a.search_text LIKE escaped || '%' THEN 4 ELSE 5 END AS place
                FROM tapline.attendees a WHERE a.search_text LIKE ALL (patterns)
                ORDER BY place, a.name COLLATE "und-x-icu", a.id LIMIT at_most)) found
        JOIN tapline.attendees a ON a.id = found.id
        ORDER BY found.id, found.place) f
    ORDER BY f.place, f.name COLLATE "und-x-icu", f.id LIMIT at_most;
END $$;
COMMENT ON FUNCTION tapline.find_attendees(text, integer) IS
    'People by text: all words occur in name, reference or category, whatever the case, diacritics and Arabic letter '
    'forms; or the text is a reference or a tag ID. Exact matches first. matched: reference, tag, name (the whole name '
    'or reference, folded) or part. The text has at most 200 characters';

CREATE FUNCTION tapline.person_now(attendee bigint) RETURNS TABLE (
    zone_id smallint, zone text, since timestamptz, gate_id bigint, gate text, tag_id bigint, scanner_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
    SELECT p.zone_id, z.name, p.since, p.gate_id, g.name, p.tag_id, p.scanner_id
    FROM tapline.tags t JOIN tapline.presence p ON p.tag_id = t.tag_id
    LEFT JOIN tapline.zones z ON z.id = p.zone_id LEFT JOIN tapline.gates g ON g.id = p.gate_id
    WHERE t.attendee_id = attendee AND p.ordered_at >= (SELECT tapline.day_start())
    ORDER BY p.ordered_at DESC, p.log DESC, p.seq DESC LIMIT 1
$$;
COMMENT ON FUNCTION tapline.person_now(bigint) IS
    'Where one person is, as in live_delegates: no row without a passage since the day start; zone null: off site. '
    'Times are instants; SET TIME ZONE to the event''s for local times';

CREATE FUNCTION tapline.person_day(attendee bigint, on_day date DEFAULT NULL) RETURNS TABLE (
    "time" timestamptz, gate_id bigint, gate text, zone text, direction text, verdict smallint, verdict_name text,
    counts boolean, is_annulled boolean, is_void boolean, flags smallint, tag_id bigint, scanner_id text,
    snapshot_version bigint, received_at timestamptz, journal_id bigint, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 20 AS $$
    SELECT s.ordered_at, s.gate_id, g.name, CASE WHEN s.flags & 1 = 0 THEN z.name ELSE f.name END,
        CASE WHEN s.flags & 1 = 0 THEN 'in' ELSE 'out' END, s.verdict, tapline.verdict_name(s.verdict),
        s.verdict = 0 AND s.flags & 16 <> 16 AND NOT s.is_annulled AND NOT s.is_void, s.is_annulled, s.is_void, s.flags,
        s.tag_id, j.scanner_id, s.snapshot_version, s.received_at, s.journal_id, s.seq
    FROM tapline.event_settings e, tapline.tags t
    CROSS JOIN LATERAL (SELECT *, tapline.scan_time(journal_id, seq, flags, scanned_at, received_at) AS ordered_at
        FROM tapline.scans_of(t.tag_id)) s
    JOIN tapline.journals j ON j.id = s.journal_id
    LEFT JOIN tapline.gates g ON g.id = s.gate_id
    LEFT JOIN tapline.zones z ON z.id = g.zone_id
    LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
    WHERE t.attendee_id = attendee AND tapline_internal.event_day(s.ordered_at, e.time_zone, e.day_start)
        = coalesce(on_day, tapline_internal.event_day(now(), e.time_zone, e.day_start))
    ORDER BY s.ordered_at, j.log, s.seq
$$;
COMMENT ON FUNCTION tapline.person_day(bigint, date) IS
    'All scans of one person on one event day, as in delegate_track, in their order; without a date: the current event '
    'day. counts: an admission that is neither annulled, void nor an inspection';

INSERT INTO tapline.schema_migrations (version, name) VALUES (24, 'people_search');
