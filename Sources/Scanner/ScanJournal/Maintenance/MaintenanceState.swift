import SQLite

/// Progress and schedule of journal maintenance. Times are milliseconds of a monotonic clock.
struct MaintenanceState {
    /// Size of the preallocated WAL file, in bytes.
    ///
    /// Its blocks are written once and then reused. So appending needs no free disk space and does not change the size
    /// of the file. 2,035 pages, which one block of the -shm file can index.
    static let walBytes = 8 << 20
    /// Maximum number of bytes written in one step, so that no tap waits long.
    static let stepBytes = 256 << 10
    /// Number of taps after which a checkpoint is due. A tap writes about one page.
    static let tapsToCheckpoint = 256
    /// Number of rows in a complete reserve. Each has 64 pages, together 4 MB. A page holds about 100 scans, so on a
    /// full disk the lane can journal another 100,000 taps.
    static let reserveRows: Int64 = 16
    static let reserveRowPages: Int64 = 64
    /// Number of free pages in the file below which maintenance releases a row of the reserve.
    static let fewFreePages: Int64 = 32
    /// Number of free pages below which a tap releases a row, because maintenance had no time.
    static let leastFreePages: Int64 = 12
    /// Number of taps between two checks of the free pages by a tap.
    static let tapsPerReserveCheck = 128
    /// Interval between two checks of WAL and reserve when nothing is left to do or nothing can be done.
    static let reserveEveryMs: Int64 = 10_000
    static let pruneEveryMs: Int64 = 600_000
    /// Number of scans deleted in one step: about 20 pages.
    static let scansToPrune: Int64 = 2_000

    /// Number of rows checked in one step, in a file that exceeds the check at opening: about 40 pages.
    static let rowsToCheck: Int64 = 4_000
    /// Time limit for salvaging a corrupt file while opening, in milliseconds. The remaining counters are salvaged
    /// during maintenance.
    static let salvageLimitMs: Int64 = 1_000

    /// The salvage of a corrupt file that is not complete, or `nil`.
    var salvage: StateSalvage?
    /// Position of the check of a long file, or `nil` if it is complete or was not needed.
    var contentCheck: ContentCheck?
    /// Damage that the check found. The next append fails, and the file is moved away.
    var damage: String?
    /// Prepared for the first read counter that is requested. Most lanes need none.
    var selectCounter: Statement?
    var taps = 0
    var tapsSinceCheckpoint = 0
    var reserveRows: Int64 = 0
    /// Reason why the reserve or the WAL is incomplete.
    var problem: JournalProblem?
    var nextReserveCheckMs = Int64.min
    var nextPruneCheckMs = Int64.min

    /// The last row that was checked.
    struct ContentCheck {
        var table = 0
        var after = Int64.min
    }

    mutating func recordTap() {
        taps &+= 1
        tapsSinceCheckpoint += 1
    }
}
