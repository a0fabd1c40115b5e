import AccessControl
import Runtime
import ScanModel
import Snapshots

/// An explanation as one JSON object.
struct ExplanationObject: Encodable {
    let explanation: Explanation

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
        try object.encode(explanation.question.tag.rawValue, forKey: .tag)
        try object.encode(explanation.attendee != nil, forKey: .known)
        if let attendee = explanation.attendee {
            try object.encode(attendee.attendee, forKey: .attendee)
            try object.encode("\(attendee.status)", forKey: .status)
            try object.encode(attendee.pass, forKey: .pass)
        }
        try object.encode(UTCTime.text(milliseconds: explanation.question.atMs), forKey: .at)
        try object.encode(explanation.question.direction.rawValue, forKey: .direction)
        let access = (explanation.pass?.access ?? []).map {
            AccessRow(
                zone: Explanation.name($0.zone, explanation.zones), from: $0.from.map(Explanation.instant),
                until: $0.until.map(Explanation.instant))
        }
        try object.encode(access, forKey: .access)
        let gates = explanation.verdicts.map {
            GateRow(
                gate: $0.gate.id, name: $0.gate.name, verdict: Int($0.decision.verdict.rawValue),
                verdictName: $0.decision.verdict.name, flags: Int($0.decision.flags.rawValue),
                rule: $0.reason.rule.rawValue, reason: $0.reason.text)
        }
        try object.encode(gates, forKey: .gates)
    }
}
