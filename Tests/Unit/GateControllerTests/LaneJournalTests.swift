import AccessControl
import DataFolder
import FileSystem
import GateController
import SQLite
import ScanJournal
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

/// A lane whose disk fails keeps admitting, and keeps presence and read counters.
@Suite struct LaneJournalTests {
    private let venue: LaneFixture
    private let output = VerdictLines()
    private var path: String { venue.data + "/journal.sqlite" }

    init() throws {
        venue = try LaneFixture()
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
    }

    private func lane() throws -> Lane {
        let reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        reloader.check()
        return try Lane(venue.settings(), reloader: reloader) { output.lines.append($0) }
    }

    private func tap(_ person: LaneFixture.Person, counter: Int64? = nil) -> LaneEvent {
        let proof: Tap.Proof = counter.map { .authentic(counter: $0) } ?? .uid
        return .reader(0, .tap(Tap(.uid(venue.uid(person)), proof: proof, direction: .in, atMs: nil)))
    }

    private func verdicts() throws -> [UInt8] { try venue.journaled().map(\.verdict.rawValue) }

    private func damage() throws {
        for path in [path, path + "-wal"] {
            var bytes = try Files.read(path)
            for index in 0..<24 { bytes[index] = 0xa5 }
            try Files.writeAtomically(bytes, to: path)
        }
    }

    @Test func transientDiskErrorRejectsNoTap() throws {
        let lane = try lane()
        lane.dispatchNow(tap(.delegate))
        #expect(try BadDescriptors.breakAll(of: path + "-wal") > 0)
        lane.dispatchNow(tap(.delegate))
        lane.dispatchNow(tap(.delegate))
        #expect(lane.notJournaled == 0 && output.lines.count == 3)
        #expect(try verdicts() == [0, 5, 5])
        #expect(DataFolderPaths.damagedJournals(venue.data).isEmpty)
    }

    /// Also across the restart after the damage.
    @Test func presenceAndReadCountersSurviveDamage() throws {
        do {
            let lane = try lane()
            lane.dispatchNow(tap(.delegate))
            lane.dispatchNow(tap(.delegate, counter: 7))
        }
        try damage()
        for _ in 0..<2 {
            let lane = try lane()
            lane.dispatchNow(tap(.delegate))
            lane.dispatchNow(tap(.delegate, counter: 7))
            lane.dispatchNow(tap(.delegate, counter: 8))
        }
        #expect(DataFolderPaths.damagedJournals(venue.data).count == 1)
        // The counter of a newer message is stored whatever the verdict.
        #expect(try verdicts() == [5, 7, 5, 5, 7, 7])
    }

    /// The look-up of the counter is the first operation that meets the damage.
    @Test func replayIsRejectedAfterReadCounterError() throws {
        let lane = try lane()
        lane.dispatchNow(tap(.delegate, counter: 7))
        // A change of another connection makes SQLite read its cached pages again.
        do { try Database(path, .readWrite).execute("UPDATE journals SET created = created + 1") }
        try BadDescriptors.breakAll(of: path)
        try BadDescriptors.breakAll(of: path + "-wal")
        lane.dispatchNow(tap(.delegate, counter: 7))
        #expect(lane.notJournaled == 0)
        #expect(try verdicts() == [0, 7])
    }
}
