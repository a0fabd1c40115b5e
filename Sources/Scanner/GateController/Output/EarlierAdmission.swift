import AccessControl
import Runtime
import ScanModel

/// The admission of a person who is already inside, as far as the lane knows it.
package struct EarlierAdmission: Hashable, Sendable {
    /// Time of the admission, in milliseconds since 1970-01-01 UTC; `nil` if the clock was not trusted.
    package var atMs: Int64?
    /// Name of its gate; `nil` if the snapshot does not contain it any more.
    package var gate: String?

    /// Creates an admission.
    ///
    /// - Parameters:
    ///   - atMs: time of the admission, in milliseconds since 1970-01-01 UTC; `nil` if it is not known.
    ///   - gate: name of its gate; `nil` if it is not known.
    package init(atMs: Int64?, gate: String?) {
        self.atMs = atMs
        self.gate = gate
    }

    /// The earlier admission that a verdict is about; `nil` for another verdict, or if nothing is known.
    init?(of scan: Scan, _ presence: PriorPresence, gateName: (Int64) -> String?) {
        guard scan.verdict == .alreadyInside || scan.flags.contains(.reuse) else { return nil }
        self.init(presence, tapMs: scan.atMs, gateName: gateName)
    }

    /// The admission that the lane remembers; `nil` if nothing is known.
    ///
    /// After a replay out of order, or a clock that was set back, an admission may be later than the tap. Then its time
    /// is not reported, because it is no time since which the person is inside.
    ///
    /// - Parameter tapMs: time of the tap, in milliseconds since 1970-01-01 UTC.
    init?(_ presence: PriorPresence, tapMs: Int64, gateName: (Int64) -> String?) {
        guard presence.wasAdmitted else { return nil }
        self.init(
            atMs: presence.admittedMs.flatMap { $0 <= tapMs ? $0 : nil }, gate: presence.admittedGate.flatMap(gateName))
        if atMs == nil && gate == nil { return nil }
    }

    /// Time in UTC and gate, in plain English.
    var text: String {
        let words = [
            atMs.map { "since \(UTCTime.text(milliseconds: $0))" }, gate.map { "at \($0)" },
        ]
        return words.compactMap(\.self).joined(separator: " ")
    }

    /// The JSON object of contract.md section 8.
    package var json: String {
        let since = atMs.map { JSONText.quote(UTCTime.text(milliseconds: $0)) } ?? "null"
        return #"{"since":\#(since),"gate":\#(gate.map(JSONText.quote) ?? "null")}"#
    }
}
