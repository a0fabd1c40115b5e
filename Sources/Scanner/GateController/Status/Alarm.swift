package import DataFolder
package import ScanJournal

/// A problem that the crew should know or correct.
///
/// The lane's screen shows it in the language of the crew. `description` goes into `gate.json`, `status` and the
/// kiosk's lines. docs/operating/alarms.md lists each with its cause and what to do.
package enum Alarm: Hashable, Sendable, CustomStringConvertible {
    case tapsNotJournaled
    case noSnapshot
    case noGate
    /// The installed snapshot was made with another event key. The lane keeps the one that it has.
    case snapshotOfOtherKey
    case snapshotUnreadable
    /// The installed snapshot cannot be opened or read.
    case olderSnapshotInUse
    case snapshotExpired
    /// The disk of the data folder is at least `Lane.Settings.diskAlarmPercent` full.
    case diskFull(percent: Int)
    case clockNotTrusted
    case passageSensorFailed
    /// Number of quarantined journals.
    case damagedJournals(Int)
    /// `orders.json` cannot be read.
    case commandsUnreadable
    /// `orders.json` cannot be written.
    case commandsNotPersisted
    case controlSocketFailed
    case journalMaintenanceFailed(StorageFault)
    case journal(JournalProblem)

    /// The stable name that heartbeats report. Several alarms share one.
    package var keyword: String {
        switch self {
        case .tapsNotJournaled, .journalMaintenanceFailed, .journal: "journal"
        case .noSnapshot, .noGate, .snapshotOfOtherKey, .snapshotUnreadable, .olderSnapshotInUse, .snapshotExpired:
            "snapshot"
        case .diskFull: "disk"
        case .clockNotTrusted: "clock"
        case .passageSensorFailed: "sensor"
        case .damagedJournals: "damaged"
        case .commandsUnreadable, .commandsNotPersisted, .controlSocketFailed: "commands"
        }
    }

    /// Plain English.
    package var description: String {
        switch self {
        case .tapsNotJournaled: "taps cannot be journaled"
        case .noSnapshot: "no snapshot"
        case .noGate: "no gate"
        case .snapshotOfOtherKey: "new snapshot not used: it was made with another event key"
        case .snapshotUnreadable: "snapshot cannot be read"
        case .olderSnapshotInUse: "an older snapshot is in use"
        case .snapshotExpired: "snapshot expired"
        case .diskFull(let percent): "disk \(percent) % full"
        case .clockNotTrusted: "clock not trusted"
        case .passageSensorFailed: "passage sensor out of order"
        case .damagedJournals(1): "1 damaged journal: run tapline-gate recover"
        case .damagedJournals(let count): "\(count) damaged journals: run tapline-gate recover"
        case .commandsUnreadable: "saved commands cannot be read"
        case .commandsNotPersisted: "commands not saved: a restart loses them"
        case .controlSocketFailed: "no control socket"
        case .journalMaintenanceFailed(let fault): "journal maintenance failed: \(fault)"
        case .journal(let problem): problem.description
        }
    }
}
