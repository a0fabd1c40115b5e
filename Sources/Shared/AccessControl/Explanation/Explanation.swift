package import ErrorModel
import Runtime
package import ScanModel
package import Snapshots

/// The verdicts of a snapshot's gates for one tag at one time, with the reasons.
///
/// The decision code is that of the gates.
package struct Explanation {
    /// A tag, and the circumstances of its tap.
    package struct Question: Sendable {
        /// The tag.
        package var tag: TagID
        /// The proof of the tag's identity.
        package var proof: Tap.Proof
        /// Milliseconds since 1970.
        package var atMs: Int64
        /// The direction of the tap.
        package var direction: Direction
        /// Name of one gate; `nil`: all gates.
        package var gate: String?
        /// Time of an assumed admission without an exit, in milliseconds since 1970; `nil`: the person is outside.
        package var insideSinceMs: Int64?

        /// Creates a question. Each parameter is documented at its property.
        package init(
            tag: TagID, proof: Tap.Proof, atMs: Int64, direction: Direction = .in, gate: String? = nil,
            insideSinceMs: Int64? = nil
        ) {
            self.tag = tag
            self.proof = proof
            self.atMs = atMs
            self.direction = direction
            self.gate = gate
            self.insideSinceMs = insideSinceMs
        }
    }

    /// The verdict at one gate.
    package struct GateVerdict: Sendable {
        /// The gate.
        package let gate: Gate
        /// What the gate decides.
        package let decision: Decision
        /// Why it decides so.
        package let reason: Reason
    }

    /// The question.
    package let question: Question
    /// The owner of the tag; `nil` if the snapshot does not have the tag.
    package let attendee: Attendee?
    /// The owner's pass; `nil` without one.
    package let pass: Pass?
    /// All zones of the snapshot, by ID.
    package let zones: [Int64: Zone]
    /// Sorted by gate ID.
    package let verdicts: [GateVerdict]

    /// Decides as the gates of a snapshot do.
    ///
    /// - Throws: `UnknownGate` for a gate that the snapshot does not have; `SQLiteError`.
    package init(_ snapshot: Snapshot, _ question: Question) throws {
        let attendee = try snapshot.attendee(question.tag)
        let pass = attendee.flatMap { snapshot.passes[$0.pass] }
        let all = snapshot.gates.values.sorted { $0.id < $1.id }
        let gates = all.filter { question.gate == nil || $0.name == question.gate }
        if let name = question.gate, gates.isEmpty {
            throw UnknownGate(name: name, known: all.map(\.name))
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
    package var lines: [String] {
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

    // MARK: Words

    /// Returns the number and the name of a pass.
    package static func name(_ pass: Pass) -> String { "pass \(pass.id)" + (pass.name.map { " '\($0)'" } ?? "") }

    /// Returns the name of a zone.
    package static func name(_ zone: Int64, _ zones: [Int64: Zone]) -> String { zones[zone]?.name ?? "zone \(zone)" }

    /// Returns a time in seconds since 1970 as RFC 3339 in UTC.
    package static func instant(_ seconds: Int64) -> String { UTCTime.text(seconds: seconds) }

    static func times(_ access: Access) -> String {
        switch (access.from, access.until) {
        case (nil, nil): "always"
        case (let from?, nil): "from \(instant(from))"
        case (nil, let until?): "until \(instant(until))"
        case (let from?, let until?): "from \(instant(from)) until \(instant(until))"
        }
    }
}

/// A gate that a snapshot does not have.
package struct UnknownGate: OperationError, Equatable {
    /// The name that was asked for.
    package let name: String
    /// The names of the gates of the snapshot.
    package let known: [String]
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
    /// The name, and the names of the gates.
    package var description: String {
        let names = known.map { "'\($0)'" }.joined(separator: ", ")
        return "the snapshot has no gate '\(name)'; it has \(names.isEmpty ? "none" : names)"
    }
}
