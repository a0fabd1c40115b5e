/// The result of a tap, or a lane event (contract.md section 2). Unknown values are stored unchanged.
package struct Verdict: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let admitted = Verdict(rawValue: 0)
    package static let unknownTag = Verdict(rawValue: 1)
    package static let blocked = Verdict(rawValue: 2)
    package static let noAccess = Verdict(rawValue: 3)
    package static let outsideTime = Verdict(rawValue: 4)
    package static let alreadyInside = Verdict(rawValue: 5)
    package static let noSnapshot = Verdict(rawValue: 6)
    package static let notAuthentic = Verdict(rawValue: 7)
    package static let lost = Verdict(rawValue: 8)
    package static let void = Verdict(rawValue: 9)
    /// Cancels the admission of the previous scan of this tag in this journal, because there was no passage.
    package static let annulled = Verdict(rawValue: 64)

    // Lane events, with tag 0.
    package static let laneNormal = Verdict(rawValue: 128)
    package static let laneFree = Verdict(rawValue: 129)
    package static let laneClosed = Verdict(rawValue: 130)
    package static let readerLost = Verdict(rawValue: 131)
    package static let readerBack = Verdict(rawValue: 132)
    package static let passageWithoutTap = Verdict(rawValue: 133)
    package static let admittedManually = Verdict(rawValue: 134)

    /// The name in the JSON of the gate (contract.md section 8); `verdict-N` for other values.
    package var name: String {
        switch self {
        case .admitted: "admitted"
        case .unknownTag: "unknown"
        case .blocked: "blocked"
        case .noAccess: "no-access"
        case .outsideTime: "outside-time"
        case .alreadyInside: "inside"
        case .noSnapshot: "no-snapshot"
        case .notAuthentic: "not-authentic"
        case .lost: "lost"
        case .void: "void"
        case .annulled: "annulled"
        default: "verdict-\(rawValue)"
        }
    }
}
