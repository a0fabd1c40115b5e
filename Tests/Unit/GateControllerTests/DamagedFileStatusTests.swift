import FileSystem
import GateController
import TestSupport
import Testing

/// `status` and `recover` of a folder with damaged files: the file, the fault and what to do, without SQL.
@Suite struct DamagedFileStatusTests {
    private let venue: LaneFixture

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 100)
    }

    private func damage(_ path: String) throws {
        try Files.writeAtomically([UInt8](repeating: 0x5a, count: 8_192), to: path)
    }

    private func expectPlain(_ faults: [String]) {
        for word in ["SELECT", "PRAGMA", "FROM"] { #expect(!faults.joined().contains(word), "\(faults)") }
    }

    @Test func damagedSnapshotIsNamedWithoutSQL() throws {
        try damage(venue.data + "/snapshots/snapshot-100.sqlite")
        let faults = GateStatus(folder: venue.data, scanner: nil).faults
        #expect(
            faults.contains {
                $0.contains("/snapshots/snapshot-100.sqlite: the file is damaged (SQLite 26)")
                    && $0.hasSuffix(": install the snapshot again with tapline-publisher fetch")
            }, "\(faults)")
        expectPlain(faults)
    }

    @Test func damagedJournalAndCursorsAreNamedWithoutSQL() throws {
        try damage(venue.data + "/journal.sqlite")
        try damage(venue.data + "/shipped.sqlite")
        let journal = "\(venue.data)/journal.sqlite: the file is damaged (SQLite 26): run tapline-gate recover"
        let cursors = "\(venue.data)/shipped.sqlite: the file is damaged (SQLite 26): restart the publisher"
        let faults = GateStatus(folder: venue.data, scanner: nil).faults
        let run = try Run.reporting("tapline-publisher", ["status", "--data", venue.data])
        #expect(run.end == .exit(1))
        for text in [journal, cursors] {
            #expect(faults.contains { $0.hasPrefix(text) }, "\(faults)")
            #expect(run.lines.contains { $0.hasPrefix("alarm      " + text) }, "\(run.lines)")
        }
        expectPlain(faults + run.lines)
    }

    @Test func recoveryWithoutScansFailsAndOffersNothingToShip() throws {
        try damage(venue.data + "/journal.sqlite")
        let run = try Run.it("tapline-gate", ["recover", "--data", venue.data, "--scanner", "gate-7"])
        #expect(run.end == .exit(1) && run.errors.contains("no scan could be recovered"))
        #expect(!run.lines.contains { $0.contains("ship") })
    }
}
