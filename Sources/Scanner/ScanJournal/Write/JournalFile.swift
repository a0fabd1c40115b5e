import DataFolder
import SQLite

/// What `journal.sqlite` holds.
///
/// `remembered` is what the lane knew from a file that was set aside: see `StateSalvage`. It is no journal's, and nobody ships it.
/// Rows of each table differ in shape from those of any other, so that they can be told apart where nothing else is left.
enum JournalFile {
    static let durable = DurableFile(
        applicationID: 0x5450_4C4A, format: 1,
        schema: """
            CREATE TABLE IF NOT EXISTS journals(
                id INTEGER PRIMARY KEY, log BLOB NOT NULL UNIQUE, scanner TEXT NOT NULL, created INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS scans(
                id INTEGER PRIMARY KEY, at INTEGER NOT NULL, tag INTEGER NOT NULL, verdict INTEGER NOT NULL,
                flags INTEGER NOT NULL, gate INTEGER, snapshot INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS counters(tag INTEGER PRIMARY KEY, counter INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS reasons(id INTEGER PRIMARY KEY, reason TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS reserve(id INTEGER PRIMARY KEY, zeros BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS pruning(id INTEGER PRIMARY KEY);
            CREATE TABLE IF NOT EXISTS remembered(
                id INTEGER PRIMARY KEY, at INTEGER NOT NULL, tag INTEGER NOT NULL, verdict INTEGER NOT NULL,
                flags INTEGER NOT NULL, gate INTEGER);
            """,
        // The log is never cut, or the next tap of a full disk would have no room; checkpoints belong to idle moments, and
        // this one is for a lane that has none. Deleted scans need no zeros over them: they are on their way to a center.
        pragmas: """
            PRAGMA wal_autocheckpoint = \(backstopPages); PRAGMA journal_size_limit = -1; PRAGMA secure_delete = OFF
            """,
        shortTables: ["journals", "pruning"])

    /// The tables that an opening of a long file leaves to the idle moments, with their key and last column.
    static let longTables = [
        (name: "scans", key: "id", last: "snapshot"), (name: "counters", key: "tag", last: "counter"),
        (name: "reasons", key: "id", last: "reason"), (name: "remembered", key: "id", last: "gate"),
    ]

    /// Pages in the log at which a tap itself has to wait for a checkpoint. What they take must lie well within
    /// `MaintenanceState.walBytes`.
    static let backstopPages = 1_500
    static let pageBytes: Int64 = 4_096
    /// 64 pages.
    static let growthBytes: Int32 = 64 * 4_096

    /// A table that only a recovered journal has: in it, seqs may be missing for ever.
    static let recoveredMark = "recovered"

    /// Seqs have the lower 32 bits of a scan's key.
    static let seqLimit: Int64 = 0xffff_ffff

    /// Scans lie in the file in the order of journals, then seqs.
    static func scanID(_ journal: Int64, _ seq: Int64) -> Int64 { journal << 32 | seq }
}
