import DataFolder
import SQLite
import ScanModel

/// The schema of `journal.sqlite`.
///
/// `remembered` holds the admissions that `StateSalvage` copied from a corrupt file. They belong to no journal and are
/// not uploaded. `clocks` holds the monotonic time and the boot of each scan under an untrusted clock. Files of earlier
/// versions get this table when a gate opens them. The rows of each table differ in shape from those of the others, so
/// that `RecordCarver` can recognise them.
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
            CREATE TABLE IF NOT EXISTS clocks(id INTEGER PRIMARY KEY, ms INTEGER NOT NULL, boot BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS reserve(id INTEGER PRIMARY KEY, zeros BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS pruning(id INTEGER PRIMARY KEY);
            CREATE TABLE IF NOT EXISTS remembered(
                id INTEGER PRIMARY KEY, at INTEGER NOT NULL, tag INTEGER NOT NULL, verdict INTEGER NOT NULL,
                flags INTEGER NOT NULL, gate INTEGER);
            """,
        // The WAL is never truncated, or the next tap on a full disk would have no space. Maintenance makes the
        // checkpoints; the automatic one is for a lane that is never idle. Deleted scans are not overwritten, because
        // they are not secret. Without cell_size_check, SQLite may read past a damaged page and find no error in it.
        pragmas: """
            PRAGMA wal_autocheckpoint = \(backstopPages); PRAGMA journal_size_limit = -1; PRAGMA secure_delete = OFF;
            PRAGMA cell_size_check = ON
            """,
        shortTables: ["journals", "pruning"])

    /// The tables that maintenance checks in a long file, with their key and last column.
    static let longTables = [
        (name: "scans", key: "id", last: "snapshot"), (name: "counters", key: "tag", last: "counter"),
        (name: "reasons", key: "id", last: "reason"), (name: "clocks", key: "id", last: "boot"),
        (name: "remembered", key: "id", last: "gate"),
    ]

    /// Number of pages in the WAL at which a tap itself performs a checkpoint. They must fit well into
    /// `MaintenanceState.walBytes`.
    static let backstopPages = 1_500
    static let pageBytes: Int64 = 4_096
    /// 64 pages.
    static let growthBytes: Int32 = 64 * 4_096

    /// A table that only a recovered journal has. Seqs may be missing in such a journal.
    static let recoveredMark = "recovered"

    /// The seq is in the lower 32 bits of a scan's key.
    static let seqLimit = Bounds.seqs.upperBound

    /// Returns the key of a scan. Keys have the order of journals, then seqs.
    static func scanID(_ journal: Int64, _ seq: Int64) -> Int64 { journal << 32 | seq }

    /// Returns a time of a row. A damaged file may hold any number. Beyond 2^53 it would overflow in sums; the center
    /// rejects also smaller ones outside the years 1970 to 2199.
    static func boundedMs(_ ms: Int64) -> Int64 { min(max(ms, -Bounds.uint), Bounds.uint) }
}
