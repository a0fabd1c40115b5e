import AccessControl
import CLI
import Runtime
import ScanModel
import Snapshots

/// The verdicts of a snapshot's gates for one tag at one time, with the reasons.
///
/// The decision code is that of the gates.
struct Explanation {
    struct Question {
        var tag: TagID
        /// The proof of the tag's identity.
        var proof: Tap.Proof
        /// Milliseconds since 1970.
        var atMs: Int64
        var direction = Direction.in
        /// Name of one gate; `nil`: all gates.
        var gate: String?
        /// Time of an assumed admission without an exit, in milliseconds since 1970; `nil`: the person is outside.
        var insideSinceMs: Int64?
    }

    /// The verdict at one gate.
    struct GateVerdict {
        let gate: Gate
        let decision: Decision
        let reason: Reason
    }

    let question: Question
    let attendee: Attendee?
    let pass: Pass?
    let zones: [Int64: Zone]
    /// Sorted by gate id.
    let verdicts: [GateVerdict]

    /// - Throws: `ProgramError` (failed) for a gate that the snapshot does not have; `SQLiteError`.
    init(_ snapshot: Snapshot, _ question: Question) throws {
        let attendee = try snapshot.attendee(question.tag)
        let pass = attendee.flatMap { snapshot.passes[$0.pass] }
        let all = snapshot.gates.values.sorted { $0.id < $1.id }
        let gates = all.filter { question.gate == nil || $0.name == question.gate }
        if let name = question.gate, gates.isEmpty {
            let known = all.map { "'\($0.name)'" }.joined(separator: ", ")
            throw ProgramError.failed("the snapshot has no gate '\(name)'; it has \(known.isEmpty ? "none" : known)")
        }
        let memory = question.insideSinceMs.map {
            PriorPresence(isInside: true, wasAdmitted: true, admittedMs: $0)
        }
        self.question = question
        self.attendee = attendee
        self.pass = pass
        zones = snapshot.zones
        verdicts = gates.map { gate in
            let input = DecisionInput(
                direction: question.direction, atMs: question.atMs, proof: question.proof, gate: gate,
                snapshot: .usable(expiresS: snapshot.expiresS), attendee: attendee, pass: pass,
                zones: snapshot.zoneTree, memory: memory ?? PriorPresence())
            let decision = Decision(input)
            return GateVerdict(
                gate: gate, decision: decision, reason: Reason(decision, input, zones: snapshot.zones))
        }
    }

    /// One line for the tag, one for each access of its pass, and one for each gate.
    var lines: [String] {
        var lines: [String] = []
        if let attendee {
            let held = pass.map(Explanation.name) ?? "without a pass"
            lines.append("tag \(question.tag.rawValue): attendee \(attendee.attendee), \(attendee.status), \(held)")
            lines += (pass?.access ?? []).map {
                "  opens \(Explanation.name($0.zone, zones)) \(Explanation.times($0))"
            }
        } else {
            lines.append("tag \(question.tag.rawValue): not in this snapshot")
        }
        lines.append("at \(UTCTime.text(milliseconds: question.atMs)), going \(question.direction.rawValue):")
        let width = verdicts.map(\.gate.name.count).max() ?? 0
        lines += verdicts.map { row in
            let name = row.gate.name + String(repeating: " ", count: width - row.gate.name.count)
            return "  \(name)  \(leads(row.gate)): \(row.decision.verdict.name): \(row.reason.text)"
        }
        return lines
    }

    private func leads(_ gate: Gate) -> String {
        switch question.direction {
        case .in: "into \(Explanation.name(gate.zone, zones))"
        case .out: gate.fromZone.map { "out to \(Explanation.name($0, zones))" } ?? "out, off site"
        }
    }

    /// One JSON object on one line.
    func json() throws -> String { try JSONOutput.line(self) }

    // MARK: Words

    static func name(_ pass: Pass) -> String { "pass \(pass.id)" + (pass.name.map { " '\($0)'" } ?? "") }

    static func name(_ zone: Int64, _ zones: [Int64: Zone]) -> String { zones[zone]?.name ?? "zone \(zone)" }

    static func instant(_ seconds: Int64) -> String { UTCTime.text(seconds: seconds) }

    static func times(_ access: Access) -> String {
        switch (access.from, access.until) {
        case (nil, nil): "always"
        case (let from?, nil): "from \(instant(from))"
        case (nil, let until?): "until \(instant(until))"
        case (let from?, let until?): "from \(instant(from)) until \(instant(until))"
        }
    }
}

extension Explanation: Encodable {
    private enum Key: String, CodingKey { case tag, known, attendee, status, pass, at, direction, access, gates }

    private struct AccessRow: Encodable {
        let zone: String
        let from: String?
        let until: String?

        private enum Key: String, CodingKey { case zone, from, until }

        /// The synthesized method would omit missing times; programs expect null.
        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(zone, forKey: .zone)
            try object.encode(from, forKey: .from)
            try object.encode(until, forKey: .until)
        }
    }

    private struct GateRow: Encodable {
        let gate: Int64
        let name: String
        let verdict: Int
        let verdictName: String
        let flags: Int
        let rule: String
        let reason: String

        private enum CodingKeys: String, CodingKey {
            case gate, name, verdict, flags, rule, reason
            case verdictName = "verdict_name"
        }
    }

    func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(question.tag.rawValue, forKey: .tag)
        try object.encode(attendee != nil, forKey: .known)
        if let attendee {
            try object.encode(attendee.attendee, forKey: .attendee)
            try object.encode("\(attendee.status)", forKey: .status)
            try object.encode(attendee.pass, forKey: .pass)
        }
        try object.encode(UTCTime.text(milliseconds: question.atMs), forKey: .at)
        try object.encode(question.direction.rawValue, forKey: .direction)
        let access = (pass?.access ?? []).map {
            AccessRow(
                zone: Explanation.name($0.zone, zones), from: $0.from.map(Explanation.instant),
                until: $0.until.map(Explanation.instant))
        }
        try object.encode(access, forKey: .access)
        let gates = verdicts.map {
            GateRow(
                gate: $0.gate.id, name: $0.gate.name, verdict: Int($0.decision.verdict.rawValue),
                verdictName: $0.decision.verdict.name, flags: Int($0.decision.flags.rawValue),
                rule: $0.reason.rule.rawValue, reason: $0.reason.text)
        }
        try object.encode(gates, forKey: .gates)
    }
}
