package import AccessControl
package import DataFolder
package import ScanModel
package import Snapshots

/// An update from the lane to displays and turnstile. Receivers must not wait, because they are called on the lane's
/// thread.
package enum LaneUpdate: Sendable {
    /// A tap has its verdict, which is in the journal.
    case answer(TapResult)
    /// A tap could not be journaled, and the crew must act.
    ///
    /// - Parameter opens: `true` for a way out, which is never rejected.
    case failed(TapFailure, opens: Bool = false)
    /// Something that the idle screen shows has changed.
    case state(LaneState)
}

/// The verdict of one tap, as displays and turnstile need it.
package struct TapResult: Sendable {
    package var journalID: JournalID
    package var scan: Scan
    /// The zone that the tap leads into; `nil` if it leads off site or the zone is not known.
    package var zone: String?
    /// For the crew: name, colour and note.
    package var pass: Pass?
    /// Additional information for the crew.
    package var detail: TapDetail?
    /// Whether the tap is a repeat within the debounce window: it is shown again and opens nothing.
    package var isRepeat: Bool
    /// Whether the turnstile opens: for a live, admitted tap; never for a repeat, a given time, or an inspection.
    package var opens: Bool
    /// Arrival of the tap by the monotonic clock, in milliseconds; `nil` for now.
    ///
    /// An opening that is too late after it is dropped, because it would let the next person pass.
    package var arrivedMs: Int64?

    package init(
        journalID: JournalID, scan: Scan, zone: String?, pass: Pass?, detail: TapDetail? = nil, isRepeat: Bool = false,
        opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        self.journalID = journalID
        self.scan = scan
        self.zone = zone
        self.pass = pass
        self.detail = detail
        self.isRepeat = isRepeat
        self.opens = opens
        self.arrivedMs = arrivedMs
    }

    init(
        _ row: JournaledScan, zone: String?, pass: Pass?, detail: TapDetail? = nil, isRepeat: Bool = false,
        opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        self.init(
            journalID: row.journalID, scan: row.scan, zone: zone, pass: pass, detail: detail, isRepeat: isRepeat,
            opens: opens, arrivedMs: arrivedMs)
    }

    /// Whether the verdict is shown in green.
    package var isGreen: Bool { scan.verdict == .admitted || scan.verdict == .admittedManually }
    package var direction: Direction { scan.flags.contains(.out) ? .out : .in }
}

/// Additional information about a tap, for the crew.
package enum TapDetail: Hashable, Sendable, CustomStringConvertible {
    case randomUID
    /// The secure message does not verify.
    case forgedMessage
    /// The secure message was used before.
    case replayedMessage
    /// The gate's policy does not accept a chip that is known only by its UID.
    case uidNotSufficient
    /// The lane's mode admitted the tap.
    case laneOpen
    /// The lane's mode rejected the tap.
    case laneClosed
    /// An operator admitted the person.
    case manualAdmission

    /// The detail of a journaled tap; `nil` if the verdict needs no explanation.
    init?(proof: Tap.Proof, scan: Scan) {
        if scan.verdict == .notAuthentic {
            switch proof {
            case .randomUID: self = .randomUID
            case .forged: self = .forgedMessage
            case .authentic: self = .replayedMessage
            case .uid: self = .uidNotSufficient
            case .code: return nil
            }
            return
        }
        guard scan.flags.contains(.operatorOverride) else { return nil }
        self = scan.verdict == .admitted ? .laneOpen : .laneClosed
    }

    /// Plain English, for the screen and the kiosk.
    package var description: String {
        switch self {
        case .randomUID: "random UID"
        case .forgedMessage: "message does not verify"
        case .replayedMessage: "message was used before"
        case .uidNotSufficient: "UID alone is not enough here"
        case .laneOpen: "lane open"
        case .laneClosed: "lane closed"
        case .manualAdmission: "manual admission"
        }
    }
}

/// Why a tap has no verdict.
package enum TapFailure: Hashable, Sendable, CustomStringConvertible {
    case notJournaled(StorageFault)
    /// A manual admission without a wristband could not be journaled.
    case manualAdmissionNotJournaled

    /// Plain English, for the screen, the kiosk and verdict lines.
    package var description: String {
        switch self {
        case .notJournaled(let fault): fault.description
        case .manualAdmissionNotJournaled: "a manual admission could not be journaled"
        }
    }
}

/// The state of the lane, as the idle screen and `gate.json` show it.
package struct LaneState: Hashable, Sendable {
    /// One reader of the lane.
    package struct Reader: Hashable, Sendable {
        /// The reader's name in the settings.
        package var name: String
        package var direction: Direction
        /// `nil` if the reader works.
        package var problem: ReaderProblem?

        package init(name: String, direction: Direction, problem: ReaderProblem? = nil) {
            self.name = name
            self.direction = direction
            self.problem = problem
        }
    }

    package var scanner = ""
    package var gate: String?
    package var zone: String?
    package var mode = LaneMode.normal
    package var isInspection = false
    package var readers: [Reader] = []
    /// `nil` if the turnstile works, or without a turnstile.
    package var turnstileProblem: TurnstileProblem?
    /// Version of the snapshot in use; 0 without one.
    package var snapshot: Int64 = 0
    /// Seconds since 1970-01-01 UTC.
    package var snapshotCreatedS: Int64?
    /// Seconds since 1970-01-01 UTC.
    package var snapshotExpiresS: Int64?
    /// Number of scans that the broker has not confirmed; `nil` if it is not known.
    package var backlog: Int64?
    /// Alarms, the most serious first.
    package var alarms: [Alarm] = []

    package init() {}
}
