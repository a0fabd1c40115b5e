import FileSystem
package import LinuxSystem

/// Whether a gate works on a folder.
package enum GateLiveness: Hashable, Sendable {
    /// The process runs, and its lane turns or is of a version without a beat.
    case running
    /// The process runs, but its lane has not turned for this time, in milliseconds.
    case unresponsive(ms: Int64)
    case stopped

    /// Age of the last beat from which on a gate does not respond, in milliseconds. A lane beats each second when it is
    /// idle, and at least every four seconds in a crowd.
    package static let limitMs: Int64 = 10_000

    /// Judges the gate of a folder.
    ///
    /// Only the lock of the folder proves a gate, because the kernel releases it with the process. A process of the ID in
    /// `gate.json` may be the gate of another folder.
    ///
    /// - Parameters:
    ///   - state: the content of `gate.json`; `nil` without one.
    ///   - nowMs: monotonic clock, in milliseconds.
    ///   - bootID: the boot of that clock; `nil` if it is not known.
    package init(
        folder: String, _ state: GateState?, nowMs: Int64 = SystemClock.monotonicMs(),
        bootID: BootID? = BootID.current
    ) {
        guard FileLock.isHeld(DataFolderPaths.gateLock(folder)) else {
            self = .stopped
            return
        }
        let ageMs = { GateLiveness.age(GateBeat.read(folder: folder), state, nowMs: nowMs, bootID: bootID) }
        // Read twice, because the first reading may have met a write.
        if let first = ageMs(), first > GateLiveness.limitMs, let ms = ageMs(), ms > GateLiveness.limitMs {
            self = .unresponsive(ms: ms)
        } else {
            self = .running
        }
    }

    /// Age of a beat in milliseconds; `nil` if the beat says nothing of the gate: of another process, or of a clock that
    /// cannot be compared.
    private static func age(_ beat: GateBeat?, _ state: GateState?, nowMs: Int64, bootID: BootID?) -> Int64? {
        guard let beat, let bootID, beat.bootID == bootID, beat.pid == state?.pid else { return nil }
        return nowMs - beat.atMs
    }

    /// What is wrong, in plain English; `nil` if the gate works.
    package var fault: String? {
        switch self {
        case .running: nil
        case .unresponsive(let ms): "the gate does not respond since \(ms / 1_000) s"
        case .stopped: "no gate is running on this folder"
        }
    }
}
