import FoundationEssentials
import LinuxSystem
import Runtime
import Synchronization

/// The metrics of the live state, described in docs/reference/metrics.md.
///
/// A request for metrics reads what was computed last and never asks the database. It keeps the state fresh for the next
/// one. What is not known has no sample.
struct LiveMetrics: Sendable {
    private let computations: [LivePart: Counter]
    private let seconds: Histogram

    /// Registers all metrics.
    ///
    /// - Parameters:
    ///   - board: what is known.
    ///   - asked: wakes the computing thread.
    init(_ metrics: Metrics, _ board: LiveBoard, _ asked: Mailbox<Bool>) {
        computations = Dictionary(
            uniqueKeysWithValues: LivePart.allCases.map { part in
                let name = "tapline_live_computations_total{part=\"\(part.rawValue)\"}"
                return (part, metrics.counter(name, "Computations of a part of the live state."))
            })
        seconds = metrics.histogram(
            "tapline_live_seconds", "Duration of one computation of the live state, in seconds.",
            bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
        let read = LiveReadings(board, asked)
        LiveMetrics.addPlaces(metrics, read)
        LiveMetrics.addFleet(metrics, read)
        LiveMetrics.addIngest(metrics, read)
    }

    /// Notes a computation.
    func computed(_ part: LivePart, tookMs: Int64) {
        computations[part]?.add()
        seconds.observe(Double(tookMs) / 1_000)
    }

    private static func addPlaces(_ metrics: Metrics, _ read: LiveReadings) {
        func zones(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Zone) -> Int64?) {
            metrics.table("tapline_zone_\(name)", help, type: .gauge) {
                read.zones.compactMap { zone in value(zone).map { ([("zone", zone.name)], Double($0)) } }
            }
        }
        zones("people", "People in the zone and in the zones within it.") { $0.inside_total }
        zones("own_people", "People in the zone and in no zone within it.") { $0.inside }
        zones("capacity_people", "Capacity of the zone; no sample: unlimited.") { $0.capacity }
        zones("busy_percent", "Percentage of the capacity from which the zone is busy.") { $0.busy_at }
        zones("full_percent", "Percentage of the capacity from which the zone is full.") { $0.full_at }
        zones("lanes", "Enabled scanners that the count of the zone depends on.") { $0.lanes }
        zones("lanes_silent", "Of these, the silent ones.") { $0.lanes_silent }
        zones("unsent_scans", "Scans that these scanners have not sent, by their last batches.") { $0.unsent }
        func gates(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Gate) -> Int64?) {
            metrics.table("tapline_gate_\(name)", help, type: .gauge) {
                read.gates.compactMap { gate in value(gate).map { ([("gate", gate.name)], Double($0)) } }
            }
        }
        func flow(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Gate) -> (Int64, Int64)) {
            metrics.table("tapline_gate_\(name)", help, type: .gauge) {
                read.gates.flatMap { gate in
                    let (passedIn, passedOut) = value(gate)
                    return [
                        ([("gate", gate.name), ("direction", "in")], Double(passedIn)),
                        ([("gate", gate.name), ("direction", "out")], Double(passedOut)),
                    ]
                }
            }
        }
        flow("passages_minute", "People that passed in the last minute.") { ($0.in_min, $0.out_min) }
        flow("passages_today", "People that passed since the day start.") { ($0.in_day, $0.out_day) }
        gates("refusals_minute", "Refused taps in the last minute.") { $0.refused_min }
        gates("refusals_today", "Refused taps since the day start.") { $0.refused_day }
        gates("lanes", "Enabled scanners at the gate.") { $0.lanes }
        gates("lanes_open", "Of these, the ones that admit by the list; no sample: unknown.") { $0.open }
        gates("drop", "1 while the flow of the gate has dropped suddenly.") { $0.drop == nil ? 0 : 1 }
    }

    private static func addFleet(_ metrics: Metrics, _ read: LiveReadings) {
        metrics.table("tapline_fleet_scanners", "Scanners by state.", type: .gauge) {
            guard let counts = read.fleet?.counts else { return [] }
            return LiveFleet.letters.map { ([("state", $0.state)], Double(counts[$0.state] ?? 0)) }
        }
        metrics.table("tapline_fleet_backlog_scans", "Scans that scanners have not sent.", type: .gauge) {
            read.fleet.map { [([], Double($0.backlog))] } ?? []
        }
        metrics.table(
            "tapline_fleet_oldest_unsent_seconds", "Upper bound of the age of the oldest unsent scan; 0: none.",
            type: .gauge
        ) {
            read.fleet.map { [([], Double($0.oldestUnsentS ?? 0))] } ?? []
        }
    }

    private static func addIngest(_ metrics: Metrics, _ read: LiveReadings) {
        func one(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Ingest) -> Double?) {
            metrics.table("tapline_\(name)", help, type: .gauge) {
                read.ingest.flatMap(value).map { [([], $0)] } ?? []
            }
        }
        one("quarantine_batches", "Batches in quarantine.") { Double($0.quarantine_batches) }
        one("quarantine_full", "1 if a share of the quarantine overflowed in the last hour.") {
            $0.quarantine_full ? 1 : 0
        }
        one("missing_scans", "Scans missing from the journals of the scanners.") { Double($0.gaps) }
        one("tracking_lag_seconds", "Age of the oldest stored scans that are not tracked; 0: none.") {
            Double($0.tracking_lag_ms) / 1_000
        }
        one("snapshot_version", "Version of the published snapshot.") { $0.snapshot.version.map { Double($0) } }
        one("snapshot_age_seconds", "Age of the published snapshot.") { $0.snapshot.age_s.map { Double($0) } }
        one("snapshot_expires_seconds", "Time until the published snapshot expires.") {
            $0.snapshot.expires_s.map { Double($0) }
        }
        metrics.table("tapline_live_age_seconds", "Age of each part of the live state.", type: .gauge) {
            let (contents, nowMs) = read.contents
            return LivePart.allCases.compactMap { part in
                contents.items[part].map { ([("part", part.rawValue)], Double(nowMs - $0.atMs) / 1_000) }
            }
        }
    }
}

/// The numbers of the last frame for metrics.
final class LiveReadings: Sendable {
    // The names are those of the members in the frame.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Zone: Decodable, Sendable {
        var name: String
        var inside, inside_total, lanes, lanes_silent: Int64
        var busy_at, full_at: Int64
        var capacity, unsent: Int64?
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Gate: Decodable, Sendable {
        struct Drop: Decodable, Sendable {
            var percent: Int64
        }
        var name: String
        var in_min, out_min, refused_min, in_day, out_day, refused_day, lanes: Int64
        var open: Int64?
        var drop: Drop?
    }
    // swift-format-ignore: AlwaysUseLowerCamelCase
    struct Ingest: Decodable, Sendable {
        struct Snapshot: Decodable, Sendable {
            var version, age_s, expires_s: Int64?
        }
        var quarantine_batches, gaps, tracking_lag_ms: Int64
        var quarantine_full: Bool
        var snapshot: Snapshot
    }
    private struct Rows<Row: Decodable & Sendable>: Decodable, Sendable {
        var rows: [Row]
    }
    private struct Decoded {
        var countsMs: Int64 = -1
        var zones: [Zone] = []
        var gates: [Gate] = []
    }

    private let board: LiveBoard
    private let asked: Mailbox<Bool>
    private let decoded = Mutex(Decoded())

    init(_ board: LiveBoard, _ asked: Mailbox<Bool>) {
        self.board = board
        self.asked = asked
    }

    /// What is known now, and the time in monotonic milliseconds.
    var contents: (LiveBoard.Contents, Int64) {
        let nowMs = SystemClock.monotonicMs()
        defer { asked.send(true) }
        return (board.scrape(nowMs: nowMs), nowMs)
    }

    var zones: [Zone] { counts.zones }
    var gates: [Gate] { counts.gates }
    var fleet: LiveFleet? { contents.0.items[.fleet]?.result.fleet }
    var ingest: Ingest? { decode(contents.0.items[.ingest]?.result.texts["ingest"]) }

    /// Decoded once for all metrics of a page.
    private var counts: Decoded {
        guard let item = contents.0.items[.counts] else { return Decoded() }
        return decoded.withLock { decoded in
            if decoded.countsMs != item.atMs {
                let zones: Rows<Zone>? = decode(item.result.texts["zones"])
                let gates: Rows<Gate>? = decode(item.result.texts["gates"])
                decoded = Decoded(countsMs: item.atMs, zones: zones?.rows ?? [], gates: gates?.rows ?? [])
            }
            return decoded
        }
    }

    private func decode<Value: Decodable>(_ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(Value.self, from: Data($0.utf8)) }
    }
}
