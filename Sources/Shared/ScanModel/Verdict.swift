/// What a gate said to a tap, or a lane event (SPEC.md section 2). Values it does not name are stored as they are.
public struct Verdict: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let admitted = Verdict(rawValue: 0)
    public static let unknownTag = Verdict(rawValue: 1)
    public static let blocked = Verdict(rawValue: 2)
    public static let noAccess = Verdict(rawValue: 3)
    public static let outsideTime = Verdict(rawValue: 4)
    public static let alreadyInside = Verdict(rawValue: 5)
    public static let noSnapshot = Verdict(rawValue: 6)
    public static let notAuthentic = Verdict(rawValue: 7)
    public static let lost = Verdict(rawValue: 8)
    public static let void = Verdict(rawValue: 9)
    /// The person admitted by the previous scan of this tag in this journal did not pass.
    public static let annulled = Verdict(rawValue: 64)

    /// Lane events carry tag 0.
    public static let laneNormal = Verdict(rawValue: 128)
    public static let laneFree = Verdict(rawValue: 129)
    public static let laneClosed = Verdict(rawValue: 130)
    public static let readerLost = Verdict(rawValue: 131)
    public static let readerBack = Verdict(rawValue: 132)
    public static let passageWithoutTap = Verdict(rawValue: 133)
    public static let admittedByHand = Verdict(rawValue: 134)

    /// The name in the gate's JSON (SPEC.md section 8); `verdict-N` for what has none there.
    public var name: String {
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
