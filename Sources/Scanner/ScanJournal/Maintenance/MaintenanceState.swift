import SQLite

/// What the journal's idle moments have done, and when they look again. Times are of the monotonic clock.
struct MaintenanceState {
    /// The log (-wal) is kept at this size, written once for real: its pages are overwritten for ever after, which needs no
    /// room on the disk and no change to the file's size. 2,035 pages, one block of the -shm file.
    static let walBytes = 8 << 20
    /// Bytes that one idle moment writes at most, so that a tap never waits long for it.
    static let stepBytes = 256 << 10
    /// Taps after which an idle moment folds the log back. A tap writes about one page.
    static let tapsToCheckpoint = 256
    /// The emergency reserve: so many rows of 64 pages, 4 MB. A page takes about 100 scans, so with nothing left on the
    /// disk the lane still logs 100,000 taps.
    static let reserveRows: Int64 = 16
    static let reserveRowPages: Int64 = 64
    /// Free pages inside the file under which a row of the reserve is given up, in an idle moment ...
    static let fewFreePages: Int64 = 32
    /// ... and, where there is none, with a tap, which looks once in `tapsPerReserveCheck`.
    static let leastFreePages: Int64 = 12
    static let tapsPerReserveCheck = 128
    /// After nothing was left to do, or nothing could be done, it is looked again after so long.
    static let reserveEveryMs: Int64 = 10_000
    static let pruneEveryMs: Int64 = 600_000
    /// Scans that one idle moment deletes: about 20 pages.
    static let scansToPrune: Int64 = 2_000

    /// Rows that one idle moment looks through in a file that was too long for its opening: about 40 pages.
    static let rowsToCheck: Int64 = 4_000
    /// So long an opening looks for what a file that was set aside knew; the rest of its counters is for idle moments.
    static let salvageLimitMs: Int64 = 1_000

    /// What is left to read of a file that was set aside.
    var salvage: StateSalvage?
    /// Where the look through a long file stands; nil: it is done, or was not needed.
    var contentCheck: ContentCheck?
    /// What that look has found: the next tap has the file set aside.
    var damage: String?
    /// Made when the first counter is asked for: most lanes never do.
    var selectCounter: Statement?
    var taps = 0
    var tapsSinceCheckpoint = 0
    var reserveRows: Int64 = 0
    /// What kept the reserve or the log from their size, in words for the crew.
    var problem: String?
    var nextReserveCheckMs = Int64.min
    var nextPruneCheckMs = Int64.min

    /// The next row to look at.
    struct ContentCheck {
        var table = 0
        var after = Int64.min
    }

    mutating func recordTap() {
        taps &+= 1
        tapsSinceCheckpoint += 1
    }
}
