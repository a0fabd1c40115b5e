import Postgres

/// The reports of a day, counted from the raw scans by their definitions, without the queries under test.
struct ReportOracle {
    struct Scan {
        let journal, seq, tag, verdict, flags, timeMicros, receivedMicros: Int64
        let log, scanner: String
        let gate: Int64?
        var isVoid = false
        var isAnnulled = false
    }
    struct Passage {
        let person: String
        let scan: Scan
        let zone: String?
        let isEntry: Bool
    }

    /// Gates of the fixture: name, zone and zone before.
    static let gates: [Int64: (name: String, zone: String, from: String?)] = [
        1: ("door", "hall", nil), 2: ("steps", "stage", "hall"), 3: ("back", "stage", nil),
    ]

    let scans: [Scan]
    /// By person, each in the order of the person's scans.
    let passages: [String: [Passage]]

    /// - Parameters:
    ///   - day: begin and end, microseconds since 1970-01-01 UTC.
    ///   - voidSince: scans of `s-1` that arrived from then on are void; `nil` for none.
    ///   - lone: tags without an attendee.
    init(_ connection: PostgresConnection, day: Range<Int64>, voidSince: Int64?, lone: Set<Int64>) throws {
        let rows = try connection.query(
            """
            SELECT s.journal_id, s.seq, s.tag_id, s.verdict, s.flags, j.log::text, j.scanner_id, s.gate_id,
                (extract(epoch FROM tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at)) * 1000000)
                    ::bigint,
                (extract(epoch FROM s.received_at) * 1000000)::bigint
            FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id ORDER BY s.journal_id, s.seq
            """)
        var scans = (0..<rows.rowCount).map { row in
            Scan(
                journal: rows.int(row, 0), seq: rows.int(row, 1), tag: rows.int(row, 2), verdict: rows.int(row, 3),
                flags: rows.int(row, 4), timeMicros: rows.int(row, 8), receivedMicros: rows.int(row, 9),
                log: rows.text(row, 5), scanner: rows.text(row, 6), gate: rows.isNull(row, 7) ? nil : rows.int(row, 7))
        }
        for place in scans.indices {
            scans[place].isVoid =
                voidSince.map {
                    scans[place].scanner == "s-1" && scans[place].receivedMicros >= $0
                } ?? false
        }
        // A 64 that is not void annuls the last admission of its tag in the journal.
        var open: [[Int64]: Int] = [:]
        for place in scans.indices where scans[place].tag != 0 {
            let key = [scans[place].journal, scans[place].tag]
            if scans[place].verdict == 0 { open[key] = place }
            guard scans[place].verdict == 64, !scans[place].isVoid, let admission = open.removeValue(forKey: key)
            else { continue }
            scans[admission].isAnnulled = true
        }
        self.scans = scans.filter { day.contains($0.timeMicros) }
        let moved = self.scans.filter {
            $0.verdict == 0 && $0.flags & 16 == 0 && $0.tag != 0 && !$0.isVoid && !$0.isAnnulled
        }.map { scan in
            let (gate, isOut) = (scan.gate.flatMap { ReportOracle.gates[$0] }, scan.flags & 1 == 1)
            return Passage(
                person: lone.contains(scan.tag) ? "tag \(scan.tag)" : "\((scan.tag + 1) / 2)", scan: scan,
                zone: isOut ? gate?.from : gate?.zone, isEntry: !isOut && gate != nil && gate?.from == nil)
        }
        passages = Dictionary(grouping: moved, by: \.person).mapValues { rows in
            rows.sorted {
                ($0.scan.timeMicros, $0.scan.log, $0.scan.seq) < ($1.scan.timeMicros, $1.scan.log, $1.scan.seq)
            }
        }
    }

    private static func slot(_ micros: Int64) -> Int64 { micros / 900_000_000 * 900 }
    private static func name(_ gate: Int64?) -> String { gate.flatMap { gates[$0]?.name } ?? "" }

    /// Slot in seconds and number of people.
    var arrivals: [String] {
        var people: [Int64: Int] = [:]
        for passages in passages.values { people[Self.slot(passages[0].scan.timeMicros), default: 0] += 1 }
        var total = 0
        return people.sorted { $0.key < $1.key }.map { slot, count in
            total += count
            return "\(slot) \(count) \(total)"
        }
    }

    /// Durations of the ended visits in minutes, the number of open ones, and the visitors, by zone.
    var visits: [String: (minutes: [Double], open: Int, people: Set<String>)] {
        var zones: [String: (minutes: [Double], open: Int, people: Set<String>)] = [:]
        for (person, passages) in passages {
            var place = 0
            while place < passages.count {
                let zone = passages[place].zone
                let end = passages[place...].firstIndex { $0.zone != zone }
                if let zone {
                    zones[zone, default: ([], 0, [])].people.insert(person)
                    if let end {
                        let micros = passages[end].scan.timeMicros - passages[place].scan.timeMicros
                        zones[zone]?.minutes.append(Double(micros) / 60e6)
                    } else {
                        zones[zone]?.open += 1
                    }
                }
                place = end ?? passages.count
            }
        }
        return zones
    }

    /// Gate, verdict, number of taps and of tags.
    var refusals: Set<String> {
        let refused = scans.filter { (1...63).contains($0.verdict) && $0.flags & 16 == 0 && !$0.isVoid }
        return Set(
            Dictionary(grouping: refused) { "\(Self.name($0.gate)) \($0.verdict)" }.map { key, scans in
                "\(key) \(scans.count) \(Set(scans.map(\.tag)).count)"
            })
    }

    /// Gate, entries, re-entries and people with one.
    var reentries: Set<String> {
        var counts: [String: (entries: Int, again: Int, people: Set<String>)] = [:]
        for (person, passages) in passages {
            for (number, entry) in passages.filter(\.isEntry).enumerated() {
                let gate = Self.name(entry.scan.gate)
                counts[gate, default: (0, 0, [])].entries += 1
                guard number > 0 else { continue }
                counts[gate]?.again += 1
                counts[gate]?.people.insert(person)
            }
        }
        return Set(counts.map { "\($0.key) \($0.value.entries) \($0.value.again) \($0.value.people.count)" })
    }

    /// Scanner, gate and number of late scans.
    var late: Set<String> {
        let late = scans.filter { $0.receivedMicros - $0.timeMicros > 300_000_000 }
        return Set(
            Dictionary(grouping: late) { "\($0.scanner) \(Self.name($0.gate))" }.map { "\($0.key) \($0.value.count)" })
    }

    /// Gate (empty: the site), slot, in and out of the busiest quarter of an hour.
    var busiest: Set<String> {
        let all = passages.values.joined().filter { $0.scan.gate != nil }
        func best(_ passages: [Passage]) -> String {
            let slots = Dictionary(grouping: passages) { Self.slot($0.scan.timeMicros) }
            let (slot, rows) = slots.max { ($0.value.count, -$0.key) < ($1.value.count, -$1.key) }!
            let out = rows.count { $0.scan.flags & 1 == 1 }
            return "\(slot) \(rows.count - out) \(out)"
        }
        guard !all.isEmpty else { return [] }
        return Set(
            Dictionary(grouping: all) { Self.name($0.scan.gate) }.map { "\($0.key) \(best($0.value))" }
                + [" \(best(Array(all)))"])
    }
}
