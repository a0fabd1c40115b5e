import FoundationEssentials

/// How a gate decides, beyond passes: the JSON of `gates.policy` (SPEC.md section 6). Absent keys mean the defaults.
package struct Policy: Hashable, Sendable {
    package enum Antipassback: String, Sendable, CaseIterable, Codable {
        /// A tag may come in again and again.
        case off
        /// It may, and the scan is flagged.
        case soft
        /// It may not before it went out.
        case hard
        /// It may not within `minutes` of its last admission.
        case timed
    }

    package enum Answer: String, Sendable, CaseIterable, Codable { case admit, deny }

    package var antipassback: Antipassback = .off
    /// For `timed` only; there it is needed. 1 to 99,999, as the database has it.
    package var minutes: Int?
    /// Milliseconds within which a second tap of the same tag is the first one again. Nil where the policy is silent:
    /// 2000 for a reader, 0 for stdin.
    package var debounceMs: Int?
    /// Seconds by which a pass opens earlier and closes later than it says.
    package var toleranceS = 0
    /// The answer to every tap while there is no usable snapshot.
    package var noSnapshot: Answer = .deny
    /// Whether a snapshot past its expiry still opens.
    package var expired: Answer = .admit
    /// Whether a chip known only by its UID, which can be copied, is taken.
    package var uidOnly = true

    package init() {}

    /// Throws `PolicyError`. Unknown keys are ignored; a known key with a value that cannot be is not.
    package init(json: String) throws(PolicyError) {
        guard !json.isEmpty else { return }
        let wire: Wire
        do { wire = try JSONDecoder().decode(Wire.self, from: Data(json.utf8)) } catch {
            throw PolicyError(detail: "\(error)")
        }
        antipassback = wire.antipassback ?? antipassback
        minutes = try wire.minutes?.within(1...99_999, "minutes")
        debounceMs = try wire.debounceMs?.within(0...9_999_999, "debounce_ms")
        toleranceS = try wire.toleranceS?.within(0...99_999, "tolerance_s") ?? toleranceS
        noSnapshot = wire.noSnapshot ?? noSnapshot
        expired = wire.expired ?? expired
        uidOnly = wire.uidOnly ?? uidOnly
        guard antipassback != .timed || minutes != nil else {
            throw PolicyError(detail: "antipassback timed needs minutes")
        }
    }

    /// What `init(json:)` makes the same policy of.
    package var json: String {
        let wire = Wire(
            antipassback: antipassback, minutes: minutes, debounceMs: debounceMs, toleranceS: toleranceS,
            noSnapshot: noSnapshot, expired: expired, uidOnly: uidOnly)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings, numbers and Booleans always encode.
        return (try? encoder.encode(wire)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private struct Wire: Codable {
        var antipassback: Antipassback?
        var minutes, debounceMs, toleranceS: Int?
        var noSnapshot, expired: Answer?
        var uidOnly: Bool?

        enum CodingKeys: String, CodingKey {
            case antipassback, minutes, expired
            case debounceMs = "debounce_ms"
            case toleranceS = "tolerance_s"
            case noSnapshot = "no_snapshot"
            case uidOnly = "uid_only"
        }
    }
}

/// A policy that cannot be: what is wrong with it.
package struct PolicyError: Error, CustomStringConvertible, Sendable {
    let detail: String
    package var description: String { "gate policy: \(detail)" }
}

extension Int {
    fileprivate func within(_ range: ClosedRange<Int>, _ key: String) throws(PolicyError) -> Int {
        guard range.contains(self) else {
            throw PolicyError(detail: "\(key) \(self) is not from \(range.lowerBound) to \(range.upperBound)")
        }
        return self
    }
}
