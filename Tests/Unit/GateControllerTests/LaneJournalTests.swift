import AccessControl
import FileSystem
import GateController
import SQLite
import ScanJournal
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

/// A lane whose disk fails: nobody is refused for it, and nothing that protects the gate is forgotten.
@Suite struct LaneJournalTests {
    private let venue: Venue
    private let told = Told()
    private var path: String { venue.data + "/journal.sqlite" }

    init() throws {
        venue = try Venue()
        try venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
    }

    private func lane() throws -> Lane {
        let watch = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        watch.check()
        return try Lane(venue.settings(), watch: watch) { told.lines.append($0) }
    }

    private func tap(_ person: Venue.Person, counter: Int64? = nil) -> LaneEvent {
        let proof: Tap.Proof = counter.map { .authentic(counter: $0) } ?? .uid
        return .reader(0, .tap(Tap(.uid(venue.uid(person)), proof: proof, direction: .in, atMs: nil)))
    }

    private func verdicts() throws -> [UInt8] { try venue.journalled().map(\.verdict.rawValue) }

    private func damage() throws {
        for path in [path, path + "-wal"] {
            var bytes = try Files.read(path)
            for index in 0..<24 { bytes[index] = 0xa5 }
            try Files.writeAtomically(bytes, to: path)
        }
    }

    @Test func aDiskThatFailsForAMomentRefusesNobody() throws {
        let lane = try lane()
        lane.handle(tap(.delegate))
        #expect(try BadDescriptors.breakAll(of: path + "-wal") > 0)
        lane.handle(tap(.delegate))
        lane.handle(tap(.delegate))
        #expect(lane.unlogged == 0 && told.lines.count == 3)
        #expect(try verdicts() == [0, 5, 5])
        #expect(Journal.damagedFiles(folder: venue.data).isEmpty)
    }

    /// Over damage, and over the restart after it.
    @Test func whoIsInsideAndWhichMessagesWereReadIsNotForgotten() throws {
        do {
            let lane = try lane()
            lane.handle(tap(.delegate))
            lane.handle(tap(.delegate, counter: 7))
        }
        try damage()
        for _ in 0..<2 {
            let lane = try lane()
            lane.handle(tap(.delegate))
            lane.handle(tap(.delegate, counter: 7))
            lane.handle(tap(.delegate, counter: 8))
        }
        #expect(Journal.damagedFiles(folder: venue.data).count == 1)
        // A message of the future has its counter noted, whatever the verdict.
        #expect(try verdicts() == [5, 7, 5, 5, 7, 7])
    }

    /// The first that a lane notices of the damage is that it cannot look up a counter.
    @Test func aReplayIsRefusedWhenTheCountersCannotBeRead() throws {
        let lane = try lane()
        lane.handle(tap(.delegate, counter: 7))
        // Somebody else's change makes SQLite read anew what it held in memory.
        do { try Database(path, .readWrite).execute("UPDATE journals SET created = created + 1") }
        try BadDescriptors.breakAll(of: path)
        try BadDescriptors.breakAll(of: path + "-wal")
        lane.handle(tap(.delegate, counter: 7))
        #expect(lane.unlogged == 0)
        #expect(try verdicts() == [0, 7])
    }
}
