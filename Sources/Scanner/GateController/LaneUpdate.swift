public import Scans
public import Snapshots

/// What the lane tells those who show it and move the turnstile. Takers must not wait: the lane does not.
public enum LaneNotice: Sendable {
    /// A tap has its verdict, which is in the journal.
    case answer(LaneSignal)
    /// A tap could not be logged: red, and the crew must act.
    ///
    /// `opens`: it was a way out, which is never refused.
    case failed(reason: String, opens: Bool = false)
    /// Something that the idle screen shows has changed.
    case state(LaneState)
}

/// The verdict of one tap, as people at the lane need it.
public struct LaneSignal: Sendable {
    public var log: JournalID
    public var scan: Scan
    /// The zone that the tap leads into; nil: off site, or not known.
    public var zone: String?
    /// For the steward: name, colour and note.
    public var pass: Pass?
    /// More than the verdict says, for the crew: `random UID`, `lane closed`; nil where the verdict says it all.
    public var detail: String?
    /// The same tap again within the debounce time: shown once more, moves nothing.
    public var isRepeat: Bool
    /// Opens the turnstile: a live, admitted tap; never a repeat, a replay, an inspection.
    public var opens: Bool
    /// When the tap reached the lane, by the clock that never steps, in milliseconds: an opening that comes too late after it
    /// would let somebody else pass. Nil: just now.
    public var arrivedMs: Int64?

    public init(
        log: JournalID, scan: Scan, zone: String?, pass: Pass?, detail: String? = nil, isRepeat: Bool = false,
        opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        (self.log, self.scan, self.zone, self.pass) = (log, scan, zone, pass)
        (self.detail, self.isRepeat, self.opens, self.arrivedMs) = (detail, isRepeat, opens, arrivedMs)
    }

    public var isGreen: Bool { scan.verdict == .admitted || scan.verdict == .admittedByHand }
    public var direction: Direction { scan.flags.contains(.out) ? .out : .in }
}

/// What the idle screen shows, and `gate.json` says.
public struct LaneState: Hashable, Sendable {
    public struct Reader: Hashable, Sendable, Codable {
        /// As given with `--reader`.
        public var name: String
        public var direction: String
        /// Nil: it works.
        public var problem: String?

        public init(name: String, direction: Direction, problem: String? = nil) {
            (self.name, self.direction, self.problem) = (name, direction.rawValue, problem)
        }
    }

    public var scanner = ""
    public var gate: String?
    public var zone: String?
    public var mode = LaneMode.normal
    public var isInspection = false
    public var readers: [Reader] = []
    /// Nil: none, or it works.
    public var turnstileProblem: String?
    /// 0: none.
    public var snapshot: Int64 = 0
    /// Seconds since 1970.
    public var snapshotCreatedS: Int64?
    public var snapshotExpiresS: Int64?
    /// Scans not shipped yet; nil while it is not known.
    public var backlog: Int64?
    /// What the crew should know or do: disk, journal, clock, gate; constant words, the worst first.
    public var alarms: [String] = []

    public init() {}
}
