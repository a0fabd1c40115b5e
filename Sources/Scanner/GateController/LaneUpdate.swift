package import AccessControl
package import DataFolder
package import ScanModel
package import Snapshots

/// What the lane tells those who show it and move the turnstile. Takers must not wait: the lane does not.
package enum LaneUpdate: Sendable {
    /// A tap has its verdict, which is in the journal.
    case answer(TapResult)
    /// A tap could not be logged: red, and the crew must act.
    ///
    /// `opens`: it was a way out, which is never refused.
    case failed(reason: String, opens: Bool = false)
    /// Something that the idle screen shows has changed.
    case state(LaneState)
}

/// The verdict of one tap, as people at the lane need it.
package struct TapResult: Sendable {
    package var log: JournalID
    package var scan: Scan
    /// The zone that the tap leads into; nil: off site, or not known.
    package var zone: String?
    /// For the steward: name, colour and note.
    package var pass: Pass?
    /// More than the verdict says, for the crew: `random UID`, `lane closed`; nil where the verdict says it all.
    package var detail: String?
    /// The same tap again within the debounce time: shown once more, moves nothing.
    package var isRepeat: Bool
    /// Opens the turnstile: a live, admitted tap; never a repeat, a replay, an inspection.
    package var opens: Bool
    /// When the tap reached the lane, by the clock that never steps, in milliseconds: an opening that comes too late after it
    /// would let somebody else pass. Nil: just now.
    package var arrivedMs: Int64?

    package init(
        log: JournalID, scan: Scan, zone: String?, pass: Pass?, detail: String? = nil, isRepeat: Bool = false,
        opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        (self.log, self.scan, self.zone, self.pass) = (log, scan, zone, pass)
        (self.detail, self.isRepeat, self.opens, self.arrivedMs) = (detail, isRepeat, opens, arrivedMs)
    }

    package var isGreen: Bool { scan.verdict == .admitted || scan.verdict == .admittedManually }
    package var direction: Direction { scan.flags.contains(.out) ? .out : .in }
}

/// What the idle screen shows, and `gate.json` says.
package struct LaneState: Hashable, Sendable {
    package typealias Reader = GateState.Reader

    package var scanner = ""
    package var gate: String?
    package var zone: String?
    package var mode = LaneMode.normal
    package var isInspection = false
    package var readers: [Reader] = []
    /// Nil: none, or it works.
    package var turnstileProblem: String?
    /// 0: none.
    package var snapshot: Int64 = 0
    /// Seconds since 1970.
    package var snapshotCreatedS: Int64?
    package var snapshotExpiresS: Int64?
    /// Scans not shipped yet; nil while it is not known.
    package var backlog: Int64?
    /// What the crew should know or do: disk, journal, clock, gate; constant words, the worst first.
    package var alarms: [String] = []

    package init() {}
}
