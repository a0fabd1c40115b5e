import Gate
import Runtime
import Scans
import Snapshots

/// What each gate of a snapshot says to one tag at one time, by the gates' own decision, and why.
struct Explanation {
    let tag: TagID
    /// Milliseconds since 1970.
    let atMs: Int64
    let attendee: Attendee?
    let pass: Pass?
    let zones: [Int64: Zone]
    /// By id.
    let answers: [(gate: Snapshots.Gate, verdict: Verdict)]

    /// - Parameter proof: what stands behind the tag's identity.
    init(_ snapshot: Snapshot, _ tag: TagID, proof: Tap.Proof, atMs: Int64) throws {
        let attendee = try snapshot.attendee(tag)
        let pass = attendee.flatMap { snapshot.passes[$0.pass] }
        (self.tag, self.atMs, self.attendee, self.pass, zones) = (tag, atMs, attendee, pass, snapshot.zones)
        answers = snapshot.gates.values.sorted { $0.id < $1.id }.map { gate in
            let facts = Decision.Facts(
                direction: .in, atMs: atMs, proof: proof, gate: gate,
                snapshot: .inForce(expiresS: snapshot.expiresS), attendee: attendee, pass: pass,
                zones: snapshot.zoneTree)
            return (gate, Decision(facts).verdict)
        }
    }

    /// For people.
    var text: String {
        var lines: [String] = []
        if let attendee {
            lines.append("tag \(tag.rawValue): attendee \(attendee.attendee), \(attendee.status), \(passText)")
            lines += (pass?.access ?? []).map { "  opens \(zoneName($0.zone)) \(times($0))" }
        } else {
            lines.append("tag \(tag.rawValue): not on the list")
        }
        lines.append("at \(UTCTime.text(microseconds: atMs * 1_000)), going in:")
        let width = answers.map(\.gate.name.count).max() ?? 0
        lines += answers.map { gate, verdict in
            let name = gate.name + String(repeating: " ", count: width - gate.name.count)
            return "  \(name)  into \(zoneName(gate.zone)): \(verdict.name)"
        }
        return lines.joined(separator: "\n")
    }

    /// One JSON object on one line.
    var json: String {
        let access = (pass?.access ?? []).map {
            #"{"zone":\#(JSONText.quote(zoneName($0.zone))),"from":\#(instant($0.from)),"until":\#(instant($0.until))}"#
        }
        let gates = answers.map { gate, verdict in
            #"{"gate":\#(gate.id),"name":\#(JSONText.quote(gate.name)),"verdict":\#(verdict.rawValue),"#
                + #""verdict_name":\#(JSONText.quote(verdict.name))}"#
        }
        let known = attendee.map { #""attendee":\#($0.attendee),"status":"\#($0.status)","pass":\#($0.pass),"# } ?? ""
        return #"{"tag":\#(tag.rawValue),"known":\#(attendee != nil),"# + known
            + #""at":\#(JSONText.quote(UTCTime.text(microseconds: atMs * 1_000))),"#
            + #""access":[\#(access.joined(separator: ","))],"gates":[\#(gates.joined(separator: ","))]}"#
    }

    private var passText: String {
        guard let pass else { return "without a pass" }
        return "pass \(pass.id)" + (pass.name.map { " '\($0)'" } ?? "")
    }

    private func zoneName(_ id: Int64) -> String { zones[id]?.name ?? "zone \(id)" }

    private func times(_ access: Access) -> String {
        func text(_ seconds: Int64) -> String { UTCTime.text(microseconds: seconds * 1_000_000) }
        switch (access.from, access.until) {
        case (nil, nil): return "always"
        case (let from?, nil): return "from \(text(from))"
        case (nil, let until?): return "until \(text(until))"
        case (let from?, let until?): return "from \(text(from)) until \(text(until))"
        }
    }

    private func instant(_ seconds: Int64?) -> String {
        seconds.map { JSONText.quote(UTCTime.text(microseconds: $0 * 1_000_000)) } ?? "null"
    }
}
