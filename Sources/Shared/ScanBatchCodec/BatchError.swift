/// Why a body is not taken as a scan batch: the reason that goes into the quarantine, and what is wrong with it.
package struct BatchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The quarantine reasons of SPEC.md section 3. The decoder finds the first five; the others need the delivery's
    /// properties or the database.
    package enum Reason: String, Sendable, CaseIterable {
        /// Not CBOR, or not of the shape of a scan batch.
        case malformed
        /// Over 1 MiB.
        case oversized
        /// `v` is not 1.
        case version
        /// The four columns do not hold the same number of scans.
        case length
        /// A number or a time outside its bounds, or more than 10,000 scans.
        case range
        /// The scanner is not who published it.
        case identity
        case unknownScanner = "unknown-scanner"
        case disabledScanner = "disabled-scanner"
        /// A scan that is stored already, with other contents.
        case conflict
    }

    package let reason: Reason
    /// One short sentence in printable ASCII; never bytes of the body.
    package let detail: String

    package init(_ reason: Reason, _ detail: String) { (self.reason, self.detail) = (reason, detail) }

    package var description: String { "\(reason.rawValue): \(detail)" }
}
