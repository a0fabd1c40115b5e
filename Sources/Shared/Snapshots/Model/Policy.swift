package import ErrorModel
import FoundationEssentials

/// The rules of a gate beyond passes: the JSON of `gates.policy` (contract.md section 6). An absent key means the
/// default.
package struct Policy: Hashable, Sendable {
    /// Whether a tag may enter again before it left.
    package enum Antipassback: String, Sendable, CaseIterable, Codable {
        /// Re-entry is allowed.
        case off
        /// Re-entry is allowed and the scan is flagged.
        case soft
        /// Re-entry is rejected until the person has left.
        case hard
        /// Re-entry is rejected within `minutes` of the last admission.
        case timed
    }

    /// Whether to admit when the snapshot does not decide.
    package enum Fallback: String, Sendable, CaseIterable, Codable { case admit, deny }

    /// The rule for a person who is already inside.
    package var antipassback: Antipassback = .off
    /// Required for `timed`, unused otherwise. 1 to 99,999, the range of the database.
    package var minutes: Int?
    /// Time within which a second tap of the same tag repeats the first one, in milliseconds. `nil` if the policy does
    /// not set it: then 2000 for a reader and 0 for stdin.
    package var debounceMs: Int?
    /// Time by which a pass opens earlier and closes later, in seconds.
    package var toleranceS = 0
    /// Whether to admit taps without a usable snapshot.
    package var noSnapshot: Fallback = .deny
    /// Whether a snapshot past its expiry still admits.
    package var expired: Fallback = .admit
    /// Whether a chip known only by its UID, which can be copied, is accepted.
    package var uidOnly = true

    /// Creates the default policy.
    package init() {}

    /// Parses a policy. Unknown keys are ignored.
    ///
    /// - Parameter json: a JSON object; empty text means the defaults.
    /// - Throws: `PolicyError` for malformed JSON or a known key with an invalid value.
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

    /// The policy as JSON with sorted keys, which `init(json:)` parses into an equal policy.
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
        var noSnapshot, expired: Fallback?
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

/// An invalid policy.
package struct PolicyError: OperationError {
    let detail: String
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
    /// What is wrong with the policy.
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
