import Postgres
import Registry

/// The event on one screen: 80 columns and 24 rows. Names come from outside; `TextOutput` shows what is invisible.
struct StatusScreen {
    static let columns = 80
    static let rows = 24
    /// Maximum number of rows of alarms while there are zones to show.
    private static let alarmRows = 7
    /// Columns of the names at the left.
    private static let margin = 9

    /// The rows, from the top.
    let lines: [String]

    /// - Parameters:
    ///   - facts: facts and alarms, read just before.
    ///   - connection: reads zones and gates.
    init(_ facts: EventFacts, _ connection: PostgresConnection) throws {
        let clock = try connection.query(StatusScreen.clock)
        let zones = try Listing(connection, StatusScreen.zones, json: false).rows
        let flow = try Listing(connection, StatusScreen.flow, json: false).rows[0]
        var lines = [StatusScreen.title(facts["event"], clock.text(0, 0)), StatusScreen.verdict(facts)]
        func row(_ name: String, _ values: String) { lines.append(StatusScreen.row(name, values)) }
        row("center", facts["center"])
        row("scanners", facts["scanners"] + (facts["conditions"].isEmpty ? "" : ": " + facts["conditions"]))
        row(
            "now",
            "\(facts["people_inside"]) people inside; in the last minute in \(flow[0]), out \(flow[1]), refused \(flow[2])"
        )
        row("today", "in \(flow[3]), out \(flow[4]), refused \(flow[5]); since \(clock.text(0, 1))")
        row(
            "scans",
            "received \(facts["received"]), stored \(facts["stored"]), duplicates \(facts["duplicates"]), conflicts "
                + "\(facts["conflicts"])")
        row(
            "open",
            "unsent \(facts["backlog"]), missing \(facts["scans_missing"]), in quarantine "
                + "\(facts["quarantined_batches"]), dead letters \(clock.text(0, 3))")
        let key = facts["event_key"].isEmpty ? "not known" : facts["event_key"]
        row(
            "event",
            "key \(key), codes \(facts["code_case"]), schema \(facts["schema"]), shards \(facts["shards"].isEmpty ? "not declared" : facts["shards"])"
        )
        let snapshot = StatusScreen.snapshot(facts, clock.text(0, 2))
        row("list", "\(facts["attendees"]) attendees, \(facts["tags"]) tags; \(snapshot)")
        let alarms = StatusScreen.alarms(
            facts.alarms, rows: zones.isEmpty ? StatusScreen.rows - lines.count : StatusScreen.alarmRows)
        lines += StatusScreen.table(zones, rows: StatusScreen.rows - lines.count - alarms.count)
        self.lines = lines + alarms
    }

    /// A name at the left, and values, cut to the screen.
    private static func row(_ name: String, _ values: String) -> String {
        cut(padded(name, margin) + values, columns)
    }

    private static func title(_ event: String, _ time: String) -> String {
        let name = cut(event.isEmpty ? "no event" : event, columns - time.count - 2)
        return name + String(repeating: " ", count: columns - time.count - name.count) + time
    }

    private static func verdict(_ facts: EventFacts) -> String {
        let alarms = facts.alarms
        guard let worst = alarms.first else {
            let unknown = facts["not_known"]
            guard !unknown.isEmpty else { return row("OK", "nothing is wrong") }
            return row("OK", "nothing wrong is known; not known: \(unknown)")
        }
        return row("WRONG", "\(alarms.count) \(alarms.count == 1 ? "alarm" : "alarms"), the worst: \(worst)")
    }

    private static func snapshot(_ facts: EventFacts, _ expires: String) -> String {
        facts["snapshot"].isEmpty ? "no snapshot" : "snapshot \(facts["snapshot"]) until \(expires)"
    }

    /// The alarms, wrapped at blanks. The last row counts those without room.
    private static func alarms(_ alarms: [String], rows: Int) -> [String] {
        var lines: [String] = []
        for (number, alarm) in alarms.enumerated() {
            let wrapped = wrap(alarm, columns - margin)
            let isLast = number == alarms.count - 1
            guard lines.count + wrapped.count <= rows - (isLast ? 0 : 1) else {
                let left = alarms.count - number
                return lines + [row("alarm", "\(left) more: tapline-center status --all")]
            }
            lines += wrapped.enumerated().map { row($0 == 0 ? "alarm" : "", $1) }
        }
        return lines
    }

    /// The zones, outer ones first. Of more than there is room for, the fullest ones.
    private static func table(_ zones: [[String]], rows: Int) -> [String] {
        guard !zones.isEmpty, rows > 2 else { return [] }
        let room = zones.count <= rows - 1 ? zones.count : rows - 2
        let shown = Set(zones.indices.sorted { (Int(zones[$0][7]) ?? 0) < (Int(zones[$1][7]) ?? 0) }.prefix(room))
        let header = ["zone", "inside", "capacity", "full", "", "lanes", "as of"]
        var lines = [header] + zones.indices.filter(shown.contains).map { Array(zones[$0].prefix(7)) }
        if shown.count < zones.count {
            lines.append(["... \(zones.count - shown.count) more", "", "", "", "", "", ""])
        }
        return lines.map { cells in
            cut(
                padded(cut(cells[0], 26), 26) + aligned(cells[1], 9) + aligned(cells[2], 10) + aligned(cells[3], 7)
                    + "  "
                    + padded(cells[4], 5) + aligned(cells[5], 9) + aligned(cells[6], 11), columns)
        }
    }

    // MARK: Text

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func aligned(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// A text of at most `width` characters.
    private static func cut(_ text: String, _ width: Int) -> String {
        var line = text.count <= width ? text : text.prefix(max(0, width - 3)) + "..."
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Splits a text at blanks into lines of at most `width` characters. A longer word is split anywhere.
    static func wrap(_ text: String, _ width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            var rest = Substring(word)
            if line.count + 1 + rest.count <= width, !line.isEmpty {
                line += " " + rest
                continue
            }
            if !line.isEmpty { lines.append(line) }
            while rest.count > width {
                lines.append(String(rest.prefix(width)))
                rest = rest.dropFirst(width)
            }
            line = String(rest)
        }
        return line.isEmpty ? lines : lines + [line]
    }

    // MARK: Queries

    /// The time, the start of the day and the end of the snapshot, in the time zone of the event; dead letters.
    private static let clock = """
        SELECT to_char(now() AT TIME ZONE e.time_zone, 'Dy YYYY-MM-DD HH24:MI:SS') || to_char(make_interval(
                secs => abs(o.seconds)), CASE WHEN o.seconds < 0 THEN ' "-"HH24:MI' ELSE ' "+"HH24:MI' END),
            to_char(tapline.day_start() AT TIME ZONE e.time_zone, 'HH24:MI'),
            (SELECT to_char(expires_at AT TIME ZONE e.time_zone, 'YYYY-MM-DD HH24:MI') FROM tapline.snapshots
                WHERE version = tapline_internal.published_version()),
            coalesce((SELECT dead_letters || CASE WHEN dead_letters_at < now() - tapline_internal.center_gone_after()
                    THEN ' (' || tapline.age_text(now() - dead_letters_at) || ' ago)' ELSE '' END
                FROM tapline_internal.centers WHERE dead_letters_at IS NOT NULL ORDER BY dead_letters_at DESC LIMIT 1), 'not known')
        FROM tapline.event_settings e CROSS JOIN LATERAL (SELECT extract(epoch FROM (now() AT TIME ZONE e.time_zone)
            - (now() AT TIME ZONE 'UTC'))::double precision AS seconds) o
        """

    /// The columns of the table, and the order of importance: the fullest zones first, then the largest ones.
    private static let zones = """
        SELECT repeat('  ', depth) || name AS zone, inside_total::text AS inside, capacity::text AS capacity,
            percent || ' %' AS full, CASE level WHEN 'full' THEN 'FULL' WHEN 'busy' THEN 'BUSY' ELSE '' END AS level,
            lanes - lanes_silent - lanes_late || '/' || lanes AS lanes,
            to_char(heard_at AT TIME ZONE (SELECT time_zone FROM tapline.event_settings), 'HH24:MI:SS') AS heard,
            row_number() OVER (ORDER BY percent DESC NULLS LAST, inside_total DESC, path) AS place
        FROM tapline.wall_zones ORDER BY path
        """

    /// Flow of all gates together, in the last minute and since the day start.
    private static let flow = """
        SELECT coalesce(sum(in_minute), 0), coalesce(sum(out_minute), 0), coalesce(sum(refused_minute), 0),
            coalesce(sum(in_today), 0), coalesce(sum(out_today), 0), coalesce(sum(refused_today), 0)
        FROM tapline.wall_gates
        """
}
