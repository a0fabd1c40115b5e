/// Combines the repeated polls of a tag on the reader into one arrival. A pure value.
struct TagPresence: Sendable {
    /// Time without a successful poll after which a tag has left, in milliseconds. Some polls of a badly held wristband
    /// fail.
    static let absenceMs: Int64 = 300
    /// Minimum interval between two reports, in milliseconds. A device that changes its UID with each poll would
    /// otherwise try fifty UIDs a second.
    static let intervalMs: Int64 = 250
    /// Number of attempts to read the secure message before the tag counts as one without.
    static let readLimit = 3

    private(set) var uid: [UInt8]?
    private var lastSeenMs: Int64 = 0
    private var isReported = false
    /// Time of the last report; `nil` before the first one.
    private var reportedMs: Int64?
    private var failedReads = 0
    private var hasLostRead = false

    /// Handles the result of a poll.
    ///
    /// A random UID changes with each reset of the field, so consecutive random UIDs belong to the same chip. A tag that
    /// arrives within `intervalMs` of the last report is reported by a later poll.
    ///
    /// - Parameters:
    ///   - seen: The UID of the tag, or `nil` for no tag.
    ///   - nowMs: Monotonic time in milliseconds.
    /// - Returns: `true` if the tag has arrived and is to be read and reported.
    mutating func polled(_ seen: [UInt8]?, nowMs: Int64) -> Bool {
        guard let seen else {
            if nowMs - lastSeenMs >= TagPresence.absenceMs {
                noteLeft()
                uid = nil
            }
            return false
        }
        let isSame =
            uid.map { $0 == seen || SecureMessageKeys.isRandom($0) && SecureMessageKeys.isRandom(seen) } ?? false
            && nowMs - lastSeenMs < TagPresence.absenceMs
        if !isSame {
            noteLeft()
            (isReported, failedReads) = (false, 0)
        }
        (uid, lastSeenMs) = (seen, nowMs)
        if let reportedMs, nowMs - reportedMs < TagPresence.intervalMs { return false }
        return !isReported
    }

    /// Whether a tag has left since the last call that was read in part only, and not reported.
    mutating func takeLostRead() -> Bool {
        defer { hasLostRead = false }
        return hasLostRead
    }

    private mutating func noteLeft() {
        if uid != nil, !isReported, failedReads > 0 { hasLostRead = true }
    }

    /// The tag was reported. It is not reported again until it has left.
    ///
    /// - Parameter nowMs: Time after the read, which may take longer than `absenceMs`.
    mutating func reported(nowMs: Int64) { (isReported, lastSeenMs, reportedMs) = (true, nowMs, nowMs) }

    /// The tag was lost during the read.
    ///
    /// - Returns: `true` if the attempts are used up, so that the tag is reported without its message.
    mutating func readFailed(nowMs: Int64) -> Bool {
        lastSeenMs = nowMs
        failedReads += 1
        return failedReads >= TagPresence.readLimit
    }
}
