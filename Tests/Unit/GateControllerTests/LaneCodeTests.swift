import DataFolder
import FileSystem
import GateController
import ScanModel
import SnapshotInstall
import TestSupport
import Testing

/// Codes at a lane, by the rule of the snapshot.
@Suite struct LaneCodeTests {
    private let venue: LaneFixture

    init() throws { venue = try LaneFixture() }

    /// Taps the codes at a new lane, and returns the journaled scans.
    private func tap(_ codes: CodeText...) throws -> [Scan] {
        let reloader = SnapshotReloader(SnapshotStore(folder: venue.data + "/snapshots"))
        reloader.check()
        let lane = try Lane(venue.settings(), reloader: reloader) { _ in }
        let before = try venue.journaled().count
        for code in codes { lane.dispatchNow(.reader(0, .tap(Tap(.code(code), proof: .code)))) }
        return Array(try venue.journaled().dropFirst(before))
    }

    @Test func codesAreExactWithoutARule() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#, code: "Ab1")
        #expect(try tap("Ab1", "AB1", "ab1").map(\.verdict) == [.admitted, .unknownTag, .unknownTag])
    }

    @Test func codesOfAnyCaseAreAdmittedWhereTheEventFoldsThem() throws {
        try venue.install(version: 100, policy: #"{"debounce_ms":0}"#, code: "Ab1", codeCase: .fold)
        #expect(try tap("Ab1", "AB1", "ab1").map(\.verdict) == [.admitted, .admitted, .admitted])
    }

    @Test func ruleSurvivesTheLossOfTheSnapshot() throws {
        try venue.install(version: 100, policy: #"{"no_snapshot":"admit","debounce_ms":0}"#, codeCase: .fold)
        _ = try tap("X")
        try Files.remove(venue.data + "/snapshots/current")
        for name in try Files.list(venue.data + "/snapshots") { try Files.remove(venue.data + "/snapshots/" + name) }
        let scans = try tap("Ab1", "aB1")
        #expect(scans.count == 2 && Set(scans.map(\.tag)) == [venue.key.tagID(of: .code("ab1"))])
    }
}
