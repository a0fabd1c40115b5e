/// The result of a tap, or a lane event (contract.md section 2). Unknown values are stored unchanged.
package struct Verdict: RawRepresentable, Hashable, Sendable {
    /// The number in journal, batch and database.
    package let rawValue: UInt8
    /// Creates a verdict from its number. Unknown numbers are kept.
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The person may pass.
    package static let admitted = Verdict(rawValue: 0)
    /// The tag is not in the snapshot.
    package static let unknownTag = Verdict(rawValue: 1)
    /// The tag or its person is blocked.
    package static let blocked = Verdict(rawValue: 2)
    /// The pass does not open this gate, or the lane is closed.
    package static let noAccess = Verdict(rawValue: 3)
    /// The pass opens this gate at other times.
    package static let outsideTime = Verdict(rawValue: 4)
    /// Anti-passback: the person is already inside.
    package static let alreadyInside = Verdict(rawValue: 5)
    /// The lane has no usable snapshot, or no gate.
    package static let noSnapshot = Verdict(rawValue: 6)
    /// The chip could not prove its identity.
    package static let notAuthentic = Verdict(rawValue: 7)
    /// The tag is lost or was replaced.
    package static let lost = Verdict(rawValue: 8)
    /// The tag is void.
    package static let void = Verdict(rawValue: 9)
    /// Cancels the admission of the previous scan of this tag in this journal, because there was no passage.
    package static let annulled = Verdict(rawValue: 64)

    // Lane events, with tag 0.
    /// The lane changed to normal mode.
    package static let laneNormal = Verdict(rawValue: 128)
    /// The lane changed to free mode: every tap is admitted.
    package static let laneFree = Verdict(rawValue: 129)
    /// The lane changed to closed mode: only exits are admitted.
    package static let laneClosed = Verdict(rawValue: 130)
    /// A reader does not respond.
    package static let readerLost = Verdict(rawValue: 131)
    /// A lost reader works again.
    package static let readerBack = Verdict(rawValue: 132)
    /// The passage sensor detected a passage without an admission.
    package static let passageWithoutTap = Verdict(rawValue: 133)
    /// An operator admitted a person without a tap.
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
