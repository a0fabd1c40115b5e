import SQLite

/// The paths of the files and folders in a scanner's data folder.
///
/// Each function takes the path of the data folder. The names do not change, because programs of different
/// versions and operators use them.
package enum DataFolderPaths {
    /// The journal file, written by the gate.
    package static func journal(_ folder: String) -> String { folder + "/journal.sqlite" }
    /// The state of the gate that runs or ran last, `GateState`.
    package static func gateState(_ folder: String) -> String { folder + "/gate.json" }
    /// The sign of life of the running gate, `GateBeat`.
    package static func gateBeat(_ folder: String) -> String { folder + "/gate.beat" }
    /// The operator commands that survive a restart, written by the gate.
    package static func commands(_ folder: String) -> String { folder + "/orders.json" }
    /// The gate that the lane used last, with its policy, written by the gate.
    package static func lastKnownGate(_ folder: String) -> String { folder + "/last-gate.json" }
    /// The control socket of the running gate.
    package static func controlSocket(_ folder: String) -> String { folder + "/gate.sock" }
    /// The lock of the running gate.
    package static func gateLock(_ folder: String) -> String { folder + "/gate.lock" }
    /// The upload cursors, written by the publisher.
    package static func shipped(_ folder: String) -> String { folder + "/shipped.sqlite" }
    /// The status of the publisher, `PublisherStatus.Report`.
    static func publisherState(_ folder: String) -> String { folder + "/publisher.json" }
    /// The lock of the running publisher.
    static func publisherLock(_ folder: String) -> String { folder + "/publisher.lock" }
    /// The folder of the snapshots, written by the publisher.
    package static func snapshots(_ folder: String) -> String { folder + "/snapshots" }
    /// The default output folder of a recovery: a data folder with the recovered journal.
    package static func recovered(_ folder: String) -> String { folder + "/recovered" }
    /// Separates the name of a quarantined file and its time.
    package static let damagedMark = ".damaged-"

    /// File names of the quarantined journals, without their -wal and -shm.
    package static func damagedJournals(_ folder: String) -> [String] {
        CorruptFile.names(journal(folder)).map { String($0.dropFirst(folder.count + 1)) }
    }
}

extension SQLiteError {
    /// Whether a reader of another process's file should read it again later.
    ///
    /// The file is missing or incomplete, or its writer holds a lock. With SQLITE_READONLY (8), the writer must recover
    /// the WAL first.
    package var meansNotYet: Bool { isCannotOpen || isBusy || primary == 8 }
}
