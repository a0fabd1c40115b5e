import FileSystem
import SQLite
import ScanModel
import TestSupport
import Testing

@testable import DataFolder
@testable import ScanJournal

/// A full disk: ext4, as on a lane, and tmpfs, which is fast.
@Suite(.serialized) struct FullDiskTests {
    /// Returns the tags of all scans in the folder, in order.
    private func tags(_ folder: String) throws -> [Int64] {
        let reader = JournalReader(folder: folder)
        return try reader.journals().flatMap {
            try reader.read(journal: $0.id, after: 0, limit: 1_000_000).map(\.tag.rawValue)
        }
    }

    @Test(arguments: SmallDisk.Kind.allCases) func tapsAreJournaledOnFullDisk(_ kind: SmallDisk.Kind) throws {
        let disk = try SmallDisk(kind, megabytes: 40)
        let folder = disk.path + "/data"
        // Each tap on ext4 waits for the disk. The count still exceeds one full WAL without maintenance.
        let taps: Int64 = kind == .ext4 ? 3_000 : 10_000
        var number: Int64 = 0
        func tap(_ journal: Journal, _ count: Int64) throws {
            for _ in 0..<count {
                number += 1
                try journal.tap(number)
            }
        }
        do {
            let journal = try Journal(folder: folder, scanner: scanner)
            while try journal.performMaintenance() {}
            #expect(journal.health.isReserveWhole)
            try tap(journal, 100)
            let filler = try disk.fill()
            // A lane with time for maintenance.
            for _ in 0..<40 {
                try tap(journal, taps / 40)
                while try journal.performMaintenance() {}
            }
            // A lane that is never idle.
            try tap(journal, taps)
            #expect(try journal.database.text("PRAGMA quick_check") == "ok")
            _ = filler
        }
        // The lane continues after a restart.
        let journal = try Journal(folder: folder, scanner: scanner)
        try tap(journal, taps)
        #expect(journal.health.reserve < Int(MaintenanceState.reserveRows))
        #expect(try tags(folder) == Array(1...number))
    }

    @Test func exhaustedReserveIsReportedAndRefilledLater() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 40)
        let folder = disk.path + "/data"
        var nowMs: Int64 = 0
        let journal = try Journal(folder: folder, scanner: scanner, monotonicMs: { nowMs })
        while try journal.performMaintenance() {}
        let filler = try disk.fill()
        var number: Int64 = 0
        // In batches, until the reserve is used up.
        let error = #expect(throws: DataFileError.self) {
            while number < 10_000_000 {
                let batch = (1...500).map {
                    Journal.Entry(
                        atMs: 1, tag: TagID(rawValue: number + $0), verdict: .admitted, flags: [], gate: 7, snapshot: 1)
                }
                _ = try journal.appendBatch(batch)
                number += 500
                if number % 10_000 == 0 { nowMs += MaintenanceState.reserveEveryMs }
                while try journal.performMaintenance() {}
            }
        }
        #expect(error?.isFull == true)
        #expect(number > 100_000, "\(number) taps on a full disk")
        #expect(journal.health.reserve == 0)
        #expect(journal.health.problem?.description.contains("full") == true)
        // With free space again no scan is lost, and the reserve is refilled.
        try Files.remove(filler)
        #expect(try journal.tap(number + 1).seq == number + 1)
        nowMs += MaintenanceState.reserveEveryMs
        while try journal.performMaintenance() {}
        #expect(journal.health.isReserveWhole && journal.health.problem == nil)
        #expect(try journal.database.text("PRAGMA quick_check") == "ok")
        #expect(try tags(folder) == Array(1...number + 1))
    }

    @Test func gateStartsOnFullDisk() throws {
        let disk = try SmallDisk(.tmpfs, megabytes: 40)
        let folder = disk.path + "/data"
        do {
            let journal = try Journal(folder: folder, scanner: scanner)
            while try journal.performMaintenance() {}
        }
        _ = try disk.fill()
        for round in 1...20 {
            let journal = try Journal(folder: folder, scanner: scanner)
            #expect(try journal.tap(Int64(round)).seq == 1)
        }
        #expect(try tags(folder) == Array(1...20))
    }
}
