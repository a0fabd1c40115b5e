/// A body that is not a valid scan batch: the quarantine reason and a detail.
package struct BatchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The quarantine reasons of contract.md section 3. The decoder reports the first five; the others need the
    /// properties of the delivery or the database.
    package enum Reason: String, Sendable, CaseIterable {
        /// Not CBOR, or not the structure of a scan batch.
        case malformed
        /// Over 1 MiB.
        case oversized
        /// `v` is not 1.
        case version
        /// The four columns have different numbers of scans.
        case length
        /// A number or a time out of range, or more than 10,000 scans.
        case range
        /// Published by another user than the scanner.
        case identity
        /// The registry does not contain the scanner.
        case unknownScanner = "unknown-scanner"
        /// The scanner is disabled in the registry.
        case disabledScanner = "disabled-scanner"
        /// A scan is already stored with different content.
        case conflict
        /// The scanner begins more journals than one may.
        case journalRate = "journal-rate"
    }

    /// The quarantine reason.
    package let reason: Reason
    /// One short sentence in printable ASCII; never bytes of the body.
    package let detail: String
    /// Whether the body is certainly a heartbeat, so that no scan is lost with it.
    package var isHeartbeat: Bool

    /// Creates an error.
    ///
    /// - Parameters:
    ///   - reason: the quarantine reason.
    ///   - detail: one short sentence in printable ASCII, without bytes of the body.
    ///   - isHeartbeat: whether the body is certainly a heartbeat.
    package init(_ reason: Reason, _ detail: String, isHeartbeat: Bool = false) {
        self.reason = reason
        self.detail = detail
        self.isHeartbeat = isHeartbeat
    }

    /// The reason and the detail.
    package var description: String { "\(reason.rawValue): \(detail)" }
}
