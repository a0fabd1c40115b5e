/// Makes one arrival out of the many times that a reader sees a tag which rests on it. A pure value.
struct TagPresence: Sendable {
    /// A tag not seen for this long has left, ms: a band held badly is missed now and then.
    static let absenceMs: Int64 = 300
    /// How often the secure message of one arrival is asked for before the tag counts as one without.
    static let readLimit = 3

    private(set) var uid: [UInt8]?
    private var lastSeenMs: Int64 = 0
    private var isTold = false
    private var failedReads = 0

    /// The tag of this UID is there; nil: none is. Whether it is to be read and told: it has just come.
    ///
    /// A random UID is a new one each time that the field is reset, so one after another is the same chip that stays.
    mutating func saw(_ seen: [UInt8]?, nowMs: Int64) -> Bool {
        guard let seen else {
            if nowMs - lastSeenMs >= TagPresence.absenceMs { uid = nil }
            return false
        }
        let isSame =
            uid.map { $0 == seen || SecureMessageKeys.isRandom($0) && SecureMessageKeys.isRandom(seen) } ?? false
            && nowMs - lastSeenMs < TagPresence.absenceMs
        (uid, lastSeenMs) = (seen, nowMs)
        if !isSame { (isTold, failedReads) = (false, 0) }
        return !isTold
    }

    /// It was told, and is not again until it has left.
    /// - Parameter nowMs: when it had been read: reading a message may take longer than a tag needs to leave.
    mutating func told(nowMs: Int64) { (isTold, lastSeenMs) = (true, nowMs) }

    /// The tag was lost while it was read. Whether to give up on its message: it is there all the same, time after time.
    mutating func readFailed(nowMs: Int64) -> Bool {
        lastSeenMs = nowMs
        failedReads += 1
        return failedReads >= TagPresence.readLimit
    }
}
