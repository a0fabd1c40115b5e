/// Why a read was dropped: it has no tag that could get a verdict.
///
/// The lane shows "could not be read, try again" for each reason. Log and `gate.json` have the description.
package enum DroppedRead: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Control characters, or bytes that are not UTF-8.
    case noise
    /// Longer than any code or tap.
    case tooLong
    /// The end did not arrive.
    case incomplete
    /// The chip left the reader before its message was read.
    case chipLeft
    /// The UID changes with each read, as that of a telephone or of a bank card.
    case randomUID
    /// A part of a longer UID.
    case partialUID
    /// A line of standard input that is not a tap.
    case notATap

    /// What was wrong, in plain English.
    package var description: String {
        switch self {
        case .noise: "noise"
        case .tooLong: "too long"
        case .incomplete: "incomplete"
        case .chipLeft: "the chip left too early"
        case .randomUID: "random UID"
        case .partialUID: "part of a UID"
        case .notATap: "not a tap"
        }
    }
}
