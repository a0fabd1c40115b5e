import Runtime

/// The scanners of the event as the display shows them. Pure.
struct LiveFleet: Equatable, Sendable {
    /// A row of `tapline.fleet_states`.
    struct Scanner: Equatable, Sendable {
        var id: String
        var gate: String?
        var state: String
        /// Order of the states, 1 is the worst.
        var place: Int64
        /// Scans that its last batch left at the scanner; `nil` if it was never heard.
        var backlog: Int64?
        var heardMicros: Int64?
        /// Time of its last stored scan, if more scans are left.
        var unsentSinceMicros: Int64?
    }

    /// Maximum number of scanners in `worst`.
    static let worstLimit = 20
    /// States without a need to act.
    static let quiet: Set<String> = ["live", "unreported", "disabled"]
    /// Alarms that count the scanners of a state.
    static let alarmed = ["lane-down", "silent", "reader", "turnstile"]
    /// Age of the oldest unsent scan from which a backlog is an alarm, in seconds.
    static let backlogAlarmS: Int64 = 120
    /// The letter of each state in `cells`, the worst first.
    static let letters: [(state: String, letter: Character)] = [
        ("never-heard", "n"), ("silent", "s"), ("no-center", "z"), ("awaited", "a"), ("lane-down", "d"),
        ("reader", "r"), ("turnstile", "t"), ("closed", "c"), ("free", "f"), ("disk", "k"), ("clock", "w"),
        ("alarm", "m"), ("gaps", "g"), ("old-list", "o"), ("catching-up", "u"), ("unreported", "q"), ("live", "l"),
        ("disabled", "x"),
    ]
    private static let letterOf = Dictionary(uniqueKeysWithValues: letters.map { ($0.state, $0.letter) })

    let scanners: [Scanner]
    /// Time until the backlog of a scanner is sent, in seconds, by its ID.
    let catchUpS: [String: Int64]
    let nowMicros: Int64

    /// - Parameters:
    ///   - scanners: in the order of their IDs.
    ///   - catchUpS: by scanner ID; those without an estimate are missing.
    ///   - nowMicros: the time of the rows.
    init(_ scanners: [Scanner], catchUpS: [String: Int64], nowMicros: Int64) {
        self.scanners = scanners
        self.catchUpS = catchUpS
        self.nowMicros = nowMicros
    }

    /// Number of scanners by state, without absent states.
    var counts: [String: Int] { Dictionary(scanners.map { ($0.state, 1) }, uniquingKeysWith: +) }

    /// Scans that are left at the scanners that were heard, by their last batches; `nil` if none was heard.
    var backlog: Int64? {
        let known = scanners.compactMap(\.backlog)
        return known.isEmpty ? nil : known.reduce(0, &+)
    }

    /// Number of enabled scanners whose backlog is not known, because they were never heard.
    var backlogUnknown: Int { scanners.count { $0.backlog == nil && $0.state != "disabled" } }

    /// Whether it is known that no scanner has unsent scans.
    var hasSentAll: Bool { backlogUnknown == 0 && (backlog ?? 0) == 0 }

    /// Age of the last stored scan of a scanner with a backlog, in seconds: the oldest unsent scan is not older.
    var oldestUnsentS: Int64? {
        scanners.compactMap(\.unsentSinceMicros).min().map { max(0, nowMicros - $0) / 1_000_000 }
    }

    /// Changes when a scanner is added, removed or used at another gate.
    var listHash: String {
        // FNV-1a.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for scanner in scanners {
            for byte in Array("\(scanner.id)\u{1F}\(scanner.gate ?? "")\u{1E}".utf8) {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
            }
        }
        let hex = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }

    /// The part `fleet` of the state.
    var json: String {
        let counts = self.counts
        let states = LiveFleet.letters.compactMap { entry in
            counts[entry.state].map { "\"\(entry.state)\":\($0)" }
        }
        let cells = String(scanners.map { LiveFleet.letterOf[$0.state] ?? "?" })
        return "{\"as_of\":\(LiveJSON.time(nowMicros)),\"list\":\"\(listHash)\","
            + "\"counts\":{\(states.joined(separator: ","))},\"backlog\":\(LiveJSON.number(backlog)),"
            + "\"backlog_unknown\":\(backlogUnknown),"
            + "\"oldest_unsent_s\":\(LiveJSON.number(oldestUnsentS)),\"worst\":[\(worst)],\"cells\":\"\(cells)\"}"
    }

    /// The scanners that need attention: the worst first, then those that were silent for the longest time.
    private var worst: String {
        let sorted = scanners.filter { !LiveFleet.quiet.contains($0.state) }.sorted { one, other in
            if one.place != other.place { return one.place < other.place }
            if one.state == "catching-up", one.backlog != other.backlog {
                return (one.backlog ?? 0) > (other.backlog ?? 0)
            }
            let (heard, otherHeard) = (one.heardMicros ?? .min, other.heardMicros ?? .min)
            return heard == otherHeard ? one.id < other.id : heard < otherHeard
        }
        return sorted.prefix(LiveFleet.worstLimit).map { scanner in
            let heardS = scanner.heardMicros.map { max(0, nowMicros - $0) / 1_000_000 }
            return "{\"id\":\(JSONText.quote(scanner.id)),\"gate\":\(LiveJSON.text(scanner.gate)),"
                + "\"state\":\"\(scanner.state)\",\"backlog\":\(LiveJSON.number(scanner.backlog)),"
                + "\"catch_up_s\":\(LiveJSON.number(catchUpS[scanner.id])),\"heard_s\":\(LiveJSON.number(heardS))}"
        }.joined(separator: ",")
    }

    /// The body of `GET /api/fleet`.
    var listJSON: String {
        let rows = scanners.map { "{\"id\":\(JSONText.quote($0.id)),\"gate\":\(LiveJSON.text($0.gate))}" }
        return "{\"list\":\"\(listHash)\",\"scanners\":[\(rows.joined(separator: ","))]}"
    }

    /// The alarms that follow from the states.
    var alarms: [LiveAlarm] {
        let counts = self.counts
        var alarms = LiveFleet.alarmed.compactMap { state in
            counts[state].map { LiveAlarm(id: state, level: .warn, arguments: "{\"n\":\($0)}") }
        }
        if let oldest = oldestUnsentS, oldest >= LiveFleet.backlogAlarmS {
            let arguments = "{\"scans\":\(LiveJSON.number(backlog)),\"oldest_s\":\(oldest)}"
            alarms.append(LiveAlarm(id: "backlog", level: .warn, arguments: arguments))
        }
        return alarms
    }
}

/// Estimates how long scanners need to send their backlog, from how fast it has shrunk. Pure.
struct CatchUpEstimate: Sendable {
    /// Time over which the backlog is compared, in milliseconds.
    static let windowMs: Int64 = 30_000
    /// Minimum time for an estimate, in milliseconds.
    static let minimumMs: Int64 = 4_000

    private var samples: [String: [(atMs: Int64, backlog: Int64)]] = [:]

    /// Adds the present backlogs of the scanners that catch up, and forgets the others.
    ///
    /// - Returns: seconds until the backlog is 0, by scanner ID; none while it does not shrink.
    mutating func update(_ backlogs: [(id: String, backlog: Int64)], nowMs: Int64) -> [String: Int64] {
        var (kept, estimates): ([String: [(atMs: Int64, backlog: Int64)]], [String: Int64]) = ([:], [:])
        for (id, backlog) in backlogs {
            var series = samples[id] ?? []
            series.append((nowMs, backlog))
            // One sample before the window stays, so that the samples span it.
            while series.count > 2, series[1].atMs <= nowMs - CatchUpEstimate.windowMs { series.removeFirst() }
            kept[id] = series
            let (spanMs, sent) = (nowMs - series[0].atMs, series[0].backlog - backlog)
            guard spanMs >= CatchUpEstimate.minimumMs, sent > 0 else { continue }
            let (product, overflows) = backlog.multipliedReportingOverflow(by: spanMs)
            if !overflows { estimates[id] = product / sent / 1_000 }
        }
        samples = kept
        return estimates
    }
}

/// A rate from a number that increases. Pure.
struct LiveRate: Sendable {
    /// Time over which the number is compared, in milliseconds.
    static let windowMs: Int64 = 10_000

    private var samples: [(atMs: Int64, total: Int64)] = []

    /// Adds the present number and returns its increase a second; `nil` for the first one.
    mutating func update(_ total: Int64, nowMs: Int64) -> Int64? {
        // A smaller number is another database.
        if let last = samples.last, last.total > total { samples = [] }
        samples.append((nowMs, total))
        while samples.count > 2, samples[1].atMs <= nowMs - LiveRate.windowMs { samples.removeFirst() }
        let spanMs = nowMs - samples[0].atMs
        return spanMs > 0 ? (total - samples[0].total) * 1_000 / spanMs : nil
    }
}
