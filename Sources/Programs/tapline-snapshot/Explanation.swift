import AccessControl
import CLI
import Runtime
import ScanModel
import Snapshots

/// What gates of a snapshot say to one tag at one time, by the gates' own decision, and why.
struct Explanation {
    /// What is asked.
    struct Question {
        var tag: TagID
        /// What stands behind the tag's identity.
        var proof: Tap.Proof
        /// Milliseconds since 1970.
        var atMs: Int64
        var direction = Direction.in
        /// By name; nil: all.
        var gate: String?
        /// As if the lane had let the person in at this time, and not out again; milliseconds since 1970.
        var insideSinceMs: Int64?
    }

    struct Answer {
        let gate: Gate
        let decision: Decision
        let reason: Reason
    }

    let question: Question
    let attendee: Attendee?
    let pass: Pass?
    let zones: [Int64: Zone]
    /// By gate id.
    let answers: [Answer]

    /// Throws `ProgramError` (failed) for a gate that the snapshot does not have, `SQLiteError`.
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
        (self.question, self.attendee, self.pass, zones) = (question, attendee, pass, snapshot.zones)
        answers = gates.map { gate in
            let facts = DecisionInput(
                direction: question.direction, atMs: question.atMs, proof: question.proof, gate: gate,
                snapshot: .usable(expiresS: snapshot.expiresS), attendee: attendee, pass: pass,
                zones: snapshot.zoneTree, memory: memory ?? PriorPresence())
            let decision = Decision(facts)
            return Answer(
                gate: gate, decision: decision, reason: Reason(decision, facts, zones: snapshot.zones))
        }
    }

    /// For people.
    var text: String {
        var lines: [String] = []
        if let attendee {
            let held = pass.map(Explanation.name) ?? "without a pass"
            lines.append("tag \(question.tag.rawValue): attendee \(attendee.attendee), \(attendee.status), \(held)")
            lines += (pass?.access ?? []).map {
                "  opens \(Explanation.name($0.zone, zones)) \(Explanation.times($0))"
            }
        } else {
            lines.append("tag \(question.tag.rawValue): not on the list")
        }
        lines.append("at \(UTCTime.text(microseconds: question.atMs * 1_000)), going \(question.direction.rawValue):")
        let width = answers.map(\.gate.name.count).max() ?? 0
        lines += answers.map { answer in
            let name = answer.gate.name + String(repeating: " ", count: width - answer.gate.name.count)
            return "  \(name)  \(leads(answer.gate)): \(answer.decision.verdict.name): \(answer.reason.text)"
        }
        return lines.joined(separator: "\n")
    }

    private func leads(_ gate: Gate) -> String {
        switch question.direction {
        case .in: "into \(Explanation.name(gate.zone, zones))"
        case .out: gate.fromZone.map { "out to \(Explanation.name($0, zones))" } ?? "out, off site"
        }
    }

    /// One JSON object on one line.
    var json: String {
        let access = (pass?.access ?? []).map {
            #"{"zone":\#(JSONText.quote(Explanation.name($0.zone, zones))),"from":\#(optional($0.from)),"#
                + #""until":\#(optional($0.until))}"#
        }
        let gates = answers.map { answer in
            #"{"gate":\#(answer.gate.id),"name":\#(JSONText.quote(answer.gate.name)),"#
                + #""verdict":\#(answer.decision.verdict.rawValue),"#
                + #""verdict_name":\#(JSONText.quote(answer.decision.verdict.name)),"#
                + #""flags":\#(answer.decision.flags.rawValue),"rule":"\#(answer.reason.rule.rawValue)","#
                + #""reason":\#(JSONText.quote(answer.reason.text))}"#
        }
        let known = attendee.map { #""attendee":\#($0.attendee),"status":"\#($0.status)","pass":\#($0.pass),"# } ?? ""
        return #"{"tag":\#(question.tag.rawValue),"known":\#(attendee != nil),"# + known
            + #""at":\#(JSONText.quote(UTCTime.text(microseconds: question.atMs * 1_000))),"#
            + #""direction":"\#(question.direction.rawValue)","#
            + #""access":[\#(access.joined(separator: ","))],"gates":[\#(gates.joined(separator: ","))]}"#
    }

    private func optional(_ seconds: Int64?) -> String {
        seconds.map { JSONText.quote(Explanation.instant($0)) } ?? "null"
    }

    // MARK: Words

    static func name(_ pass: Pass) -> String { "pass \(pass.id)" + (pass.name.map { " '\($0)'" } ?? "") }

    static func name(_ zone: Int64, _ zones: [Int64: Zone]) -> String { zones[zone]?.name ?? "zone \(zone)" }

    static func instant(_ seconds: Int64) -> String { UTCTime.text(microseconds: seconds * 1_000_000) }

    static func times(_ access: Access) -> String {
        switch (access.from, access.until) {
        case (nil, nil): "always"
        case (let from?, nil): "from \(instant(from))"
        case (nil, let until?): "until \(instant(until))"
        case (let from?, let until?): "from \(instant(from)) until \(instant(until))"
        }
    }
}
