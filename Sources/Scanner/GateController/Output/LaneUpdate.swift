package import AccessControl
package import DataFolder
package import ScanModel
package import Snapshots

/// An update from the lane to displays and turnstile. Receivers must not wait, because they are called on the lane's
/// thread.
package enum LaneUpdate: Sendable {
    /// A tap has its verdict, which is in the journal.
    case verdict(TapResult)
    /// A tap could not be journaled, and the crew must act.
    ///
    /// - Parameter opens: `true` for an exit, which is never rejected.
    case failed(TapFailure, opens: Bool = false)
    /// Something was read that is no tag: the person must try again.
    case dropped(DroppedRead)
    /// Something that the idle screen shows has changed.
    case state(LaneState)

    /// Whether this is a state, which replaces the former one.
    package var isState: Bool { if case .state = self { true } else { false } }
}

/// The verdict of one tap, as displays and turnstile need it.
package struct TapResult: Sendable {
    /// ID of the journal that holds the scan.
    package var journalID: JournalID
    /// The journaled scan with its verdict.
    package var scan: Scan
    /// The zone that the tap leads into; `nil` if it leads off site or the zone is not known.
    package var zone: String?
    /// For the crew: name, colour and note.
    package var pass: Pass?
    /// Additional information for the crew.
    package var detail: TapDetail?
    /// The earlier admission of a person who is already inside; `nil` if the lane does not know it.
    package var earlier: EarlierAdmission?
    /// Whether the tap is a repeat within the debounce window: it is shown again and opens nothing.
    package var isRepeat: Bool
    /// Whether the turnstile opens: for a live, admitted tap; never for a repeat, a given time, or an inspection.
    package var opens: Bool
    /// Arrival of the tap by the monotonic clock, in milliseconds; `nil` for now.
    ///
    /// An opening that is too late after it is dropped, because it would let the next person pass.
    package var arrivedMs: Int64?

    /// Creates the verdict of a journaled tap.
    ///
    /// - Parameters:
    ///   - journalID: ID of the journal that holds the scan.
    ///   - scan: the journaled scan with its verdict.
    ///   - zone: the zone that the tap leads into; `nil` if it leads off site or the zone is not known.
    ///   - pass: name, colour and note for the crew; `nil` without a pass.
    ///   - detail: additional information for the crew.
    ///   - earlier: the earlier admission of a person who is already inside.
    ///   - isRepeat: whether the tap is a repeat within the debounce window.
    ///   - opens: whether the turnstile opens.
    ///   - arrivedMs: arrival of the tap by the monotonic clock, in milliseconds; `nil` for now.
    package init(
        journalID: JournalID, scan: Scan, zone: String?, pass: Pass?, detail: TapDetail? = nil,
        earlier: EarlierAdmission? = nil, isRepeat: Bool = false, opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        self.journalID = journalID
        self.scan = scan
        self.zone = zone
        self.pass = pass
        self.detail = detail
        self.earlier = earlier
        self.isRepeat = isRepeat
        self.opens = opens
        self.arrivedMs = arrivedMs
    }

    init(
        _ row: JournaledScan, zone: String?, pass: Pass?, detail: TapDetail? = nil,
        earlier: EarlierAdmission? = nil, isRepeat: Bool = false, opens: Bool = false, arrivedMs: Int64? = nil
    ) {
        self.init(
            journalID: row.journalID, scan: row.scan, zone: zone, pass: pass, detail: detail, earlier: earlier,
            isRepeat: isRepeat, opens: opens, arrivedMs: arrivedMs)
    }

    /// Whether the verdict is shown in green.
    package var isGreen: Bool { scan.verdict == .admitted || scan.verdict == .admittedManually }
    /// Direction of the tap, from the flags of the scan.
    package var direction: Direction { scan.flags.contains(.out) ? .out : .in }
}

/// Additional information about a tap, for the crew.
package enum TapDetail: Hashable, Sendable, CustomStringConvertible {
    /// The reading has no usable identity.
    case unreadable(DroppedRead)
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
            case .randomUID: self = .unreadable(.randomUID)
            case .partialUID: self = .unreadable(.partialUID)
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

    /// Whether the person must present the tag again.
    package var isUnreadable: Bool { if case .unreadable = self { true } else { false } }

    /// Plain English, for the screen and the kiosk.
    package var description: String {
        switch self {
        case .unreadable(let reason): reason.description
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
        /// Direction of its taps.
        package var direction: Direction
        /// `nil` if the reader works.
        package var problem: ReaderProblem?

        /// Creates the state of one reader.
        ///
        /// - Parameters:
        ///   - name: the reader's name in the settings.
        ///   - direction: the direction of its taps.
        ///   - problem: `nil` if the reader works.
        package init(name: String, direction: Direction, problem: ReaderProblem? = nil) {
            self.name = name
            self.direction = direction
            self.problem = problem
        }
    }

    /// ID of the scanner.
    package var scanner = ""
    /// Name of the gate; `nil` without one.
    package var gate: String?
    /// Name of the zone into which the gate admits; `nil` if it is not known.
    package var zone: String?
    /// The mode that an operator has set.
    package var mode = LaneMode.normal
    /// Whether this is a roaming check, which changes neither presence nor turnstile.
    package var isInspection = false
    /// The readers, in the order of the settings.
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

    /// Creates the state of a lane that has no gate, no snapshot and no reader.
    package init() {}
}
