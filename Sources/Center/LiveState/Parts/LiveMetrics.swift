import LinuxSystem
import Runtime

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
    ///   - queues: message counts of the broker.
    init(
        _ metrics: Metrics, _ board: LiveBoard, _ asked: Mailbox<Bool>,
        queues: @escaping @Sendable () -> LiveState.Queues
    ) {
        computations = Dictionary(
            uniqueKeysWithValues: LivePart.allCases.map { part in
                let name = "tapline_live_computations_total{part=\"\(part.rawValue)\"}"
                return (part, metrics.counter(name, "Computations of a part of the live state."))
            })
        seconds = metrics.histogram(
            "tapline_live_computation_seconds", "Duration of one computation of the live state, in seconds.",
            bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
        let read = LiveReadings(board, asked)
        LiveMetrics.addPlaces(metrics, read)
        LiveMetrics.addFleet(metrics, read)
        LiveMetrics.addIngest(metrics, read)
        metrics.table("tapline_queue_messages", "Messages in the queues of the scanners.", type: .gauge) {
            let counts = queues()
            return [("ready", counts.ready), ("unacknowledged", counts.unacked)].compactMap { state, messages in
                messages.map { ([("state", state)], Double($0)) }
            }
        }
    }

    /// Notes a computation.
    func computed(_ part: LivePart, tookMs: Int64) {
        computations[part]?.add()
        seconds.observe(Double(tookMs) / 1_000)
    }

    private static func addPlaces(_ metrics: Metrics, _ read: LiveReadings) {
        func zones(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Zone) -> Double?) {
            metrics.table("tapline_zone_\(name)", help, type: .gauge) {
                read.zones.compactMap { zone in value(zone).map { ([("zone", zone.name)], $0) } }
            }
        }
        zones("inside", "People in the zone and in the zones within it.") { Double($0.inside_total) }
        zones("capacity", "Capacity of the zone in people; no sample: unlimited.") { $0.capacity.map { Double($0) } }
        zones("busy_ratio", "Part of the capacity from which the zone is busy.") { Double($0.busy_at) / 100 }
        zones("full_ratio", "Part of the capacity from which the zone is full.") { Double($0.full_at) / 100 }
        zones("lanes", "Enabled scanners that the count of the zone depends on.") { Double($0.lanes) }
        zones("lanes_silent", "Of these, the silent ones.") { Double($0.lanes_silent) }
        zones("lanes_late", "Of these, the others whose taps until a minute ago are not all here.") {
            Double($0.lanes_late)
        }
        zones("unsent_scans", "Scans that these scanners have not sent, by their last batches.") {
            $0.unsent.map { Double($0) }
        }
        metrics.table(
            "tapline_gate_passages_total", "People that passed since the day start, by direction.", type: .counter
        ) {
            read.gates.flatMap { gate in
                [("in", gate.in_day), ("out", gate.out_day)].map { direction, people in
                    let value = read.held("passages \(direction)", gate.id, people)
                    return ([("gate", gate.name), ("direction", direction)], value)
                }
            }
        }
        metrics.table("tapline_gate_refused_total", "Refused taps since the day start.", type: .counter) {
            read.gates.map { ([("gate", $0.name)], read.held("refused", $0.id, $0.refused_day)) }
        }
        metrics.table("tapline_gate_lanes", "Enabled scanners at the gate by what they do.", type: .gauge) {
            read.gates.flatMap { gate in
                [("open", gate.open), ("free", gate.free), ("closed", gate.closed), ("silent", gate.silent)]
                    .compactMap { state, lanes in
                        lanes.map { ([("gate", gate.name), ("state", state)], Double($0)) }
                    }
            }
        }
        metrics.table(
            "tapline_gate_last_tap_timestamp_seconds", "Time of the last tap in the event day.", type: .gauge
        ) {
            read.gates.compactMap { gate in
                gate.last_tap.flatMap { UTCTime.microseconds($0) }.map { ([("gate", gate.name)], Double($0) / 1e6) }
            }
        }
        metrics.table(
            "tapline_gate_flow_drop", "1 while the flow has dropped suddenly, else 0; no sample: unknown.", type: .gauge
        ) {
            let drops = read.drops
            return read.gates.compactMap { gate in
                (drops["\(gate.id)"] ?? nil).map { ([("gate", gate.name)], $0 ? 1 : 0) }
            }
        }
    }

    private static func addFleet(_ metrics: Metrics, _ read: LiveReadings) {
        metrics.table("tapline_fleet", "Scanners by state.", type: .gauge) {
            guard let counts = read.fleet?.counts else { return [] }
            return LiveFleet.letters.map { ([("state", $0.state)], Double(counts[$0.state] ?? 0)) }
        }
        metrics.table(
            "tapline_backlog_scans", "Scans that the scanners that were heard have not sent.", type: .gauge
        ) {
            read.fleet?.backlog.map { [([], Double($0))] } ?? []
        }
        metrics.table(
            "tapline_backlog_unknown_scanners", "Enabled scanners whose unsent scans are not known.", type: .gauge
        ) {
            read.fleet.map { [([], Double($0.backlogUnknown))] } ?? []
        }
        metrics.table(
            "tapline_oldest_unsent_seconds",
            "Upper bound of the age of the oldest unsent scan; 0: none; no sample: unknown.", type: .gauge
        ) {
            guard let fleet = read.fleet else { return [] }
            let seconds = fleet.oldestUnsentS ?? (fleet.hasSentAll ? 0 : nil)
            return seconds.map { [([], Double($0))] } ?? []
        }
        metrics.table("tapline_attendees_arrived", "People that passed in the event day.", type: .gauge) {
            read.arrivals.map { [([], Double($0.arrived))] } ?? []
        }
        metrics.table("tapline_attendees_expected", "Active attendees with a pass.", type: .gauge) {
            read.arrivals.map { [([], Double($0.expected))] } ?? []
        }
        metrics.table("tapline_double_admissions", "Double admissions of the event day.", type: .gauge) {
            guard let doubles = read.doubles else { return [] }
            return [
                ([("settled", "true")], Double(doubles.settled)), ([("settled", "false")], Double(doubles.unsettled)),
            ]
        }
    }

    private static func addIngest(_ metrics: Metrics, _ read: LiveReadings) {
        func one(_ name: String, _ help: String, _ value: @escaping @Sendable (LiveReadings.Ingest) -> Double?) {
            metrics.table("tapline_\(name)", help, type: .gauge) {
                read.ingest.flatMap(value).map { [([], $0)] } ?? []
            }
        }
        one("quarantine_batches", "Batches in quarantine.") { Double($0.quarantine_batches) }
        one("quarantine_full_owners", "Shares of the quarantine that overflowed in the last hour.") {
            Double($0.quarantine_full_owners)
        }
        one("missing_scans", "Scans missing from the journals of the scanners.") { Double($0.gaps) }
        one("tracking_lag_seconds", "Age of the oldest stored scans that are not tracked; 0: none.") {
            Double($0.tracking_lag_ms) / 1_000
        }
        one("snapshot_version", "Version of the published snapshot.") { $0.snapshot.version.map { Double($0) } }
        one("snapshot_created_timestamp_seconds", "Creation of the published snapshot.") { ingest in
            ingest.snapshot.age_s.flatMap { age in ingest.asOfS.map { $0 - Double(age) } }
        }
        one("snapshot_expires_timestamp_seconds", "Expiry of the published snapshot.") { ingest in
            ingest.snapshot.expires_s.flatMap { left in ingest.asOfS.map { $0 + Double(left) } }
        }
        metrics.table(
            "tapline_live_age_seconds", "Age of each part of the live state since it was last computed.", type: .gauge
        ) {
            let ages = read.ages
            return LivePart.allCases.compactMap { part in
                ages[part].map { ([("part", part.rawValue)], Double($0) / 1_000) }
            }
        }
    }
}
