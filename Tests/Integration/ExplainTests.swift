import FileSystem
import FoundationEssentials
import ScanModel
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// `tapline-snapshot explain`: each verdict with its reason.
@Suite struct ExplainTests {
    private struct Answer: Decodable {
        let name: String
        let verdict: Int
        let verdictName: String
        let flags: Int
        let rule: String
        let reason: String
    }
    private struct Explained: Decodable {
        let known: Bool
        let direction: String
        let gates: [Answer]
    }

    /// 2026-11-23T10:00:00Z.
    private static let ten: Int64 = 1_795_428_000
    private static let expiry = ten + 6 * 3_600
    private let folder = TemporaryFolder("explain")
    private var file: String { folder.file("snapshot.sqlite") }
    private var key: String { folder.file("event.key") }

    /// The owners of the tags. The UID of a tag is `04` and the number.
    private enum Who: UInt8, CaseIterable {
        case delegate = 1
        case lost, void, blocked, foyerOnly, morning, nothing, withoutPass, once, stage
    }

    init() throws {
        try Files.writeAtomically(Array(UInt8(7)..<39), to: key, mode: 0o600)
        let eventKey = try #require(EventKey(Array(UInt8(7)..<39)))
        let writer = try SnapshotWriter(path: file)
        let tags = Who.allCases.map { who in
            let status: Attendee.Status =
                switch who {
                case .lost: .lost
                case .void: .void
                case .blocked: .blocked
                default: .active
                }
            let pass: Int64 =
                switch who {
                case .foyerOnly: 2
                case .morning: 3
                case .nothing: 4
                case .withoutPass: 0
                case .once: 5
                case .stage: 6
                default: 1
                }
            return (
                eventKey.tagID(of: .uid([4, who.rawValue])),
                Attendee(status: status, pass: pass, attendee: Int64(who.rawValue))
            )
        }
        for (tag, attendee) in tags.sorted(by: { $0.0 < $1.0 }) { try writer.add(tag, attendee) }
        for (id, name) in [(1, "Delegate"), (2, "Visitor"), (3, "Morning"), (4, "Void"), (6, "Crew")] {
            try writer.addPass(id: Int64(id), name: name)
        }
        try writer.addPass(id: 5, name: "Day", reentry: .none)
        let ten = ExplainTests.ten
        for (id, pass, access) in [
            (1, 1, Access(zone: 3)), (2, 2, Access(zone: 4)),
            (3, 3, Access(zone: 3, from: ten - 7_200, until: ten)),
            (4, 3, Access(zone: 3, from: ten + 86_400, until: ten + 90_000)),
            (5, 5, Access(zone: 3)), (6, 6, Access(zone: 5, from: ten - 60)),
        ] as [(Int64, Int64, Access)] { try writer.addAccess(id: id, pass: pass, access) }
        try writer.add(Zone(id: 3, name: "Hall", parent: 4))
        try writer.add(Zone(id: 4, name: "Foyer"))
        try writer.add(Zone(id: 5, name: "Stage", parent: 3))
        for (id, name, policy) in [
            (7, "Plain", "{}"), (8, "Careful", #"{"uid_only":false}"#), (9, "Strict", #"{"expired":"deny"}"#),
            (10, "Hard", #"{"antipassback":"hard"}"#), (11, "Soft", #"{"antipassback":"soft"}"#),
            (12, "Timed", #"{"antipassback":"timed","minutes":20}"#), (13, "Patient", #"{"tolerance_s":600}"#),
        ] as [(Int64, String, String)] {
            try writer.addGate(id: id, name: name, zone: 3, fromZone: 4, policy: policy)
        }
        try writer.finish(event: "Fair", version: 7, createdS: ten - 86_400, expiresS: ExplainTests.expiry)
    }

    private func explain(_ who: UInt8, _ gate: String, _ more: String...) throws -> Answer {
        let run = try Run.succeeding(
            "tapline-snapshot",
            [
                "explain", file, "--uid", "04" + (who < 16 ? "0" : "") + String(who, radix: 16), "--event-key-file",
                key, "--gate", gate, "--output", "json",
            ] + (more.contains("--at") ? [] : ["--at", "2026-11-23T10:00:00Z"]) + more)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let explained = try decoder.decode(Explained.self, from: Data((run.lines.first ?? "").utf8))
        let answer = try #require(explained.gates.first)
        #expect(explained.gates.count == 1 && answer.name == gate && run.lines.count == 1)
        return answer
    }

    private func expect(
        _ answer: Answer, _ verdict: Verdict, _ rule: String, _ words: String...,
        at location: SourceLocation = #_sourceLocation
    ) {
        #expect(answer.verdict == Int(verdict.rawValue) && answer.verdictName == verdict.name, sourceLocation: location)
        #expect(answer.rule == rule, sourceLocation: location)
        for word in words {
            #expect(answer.reason.contains(word), "\(answer.reason)", sourceLocation: location)
        }
    }

    @Test func admissionIsExplainedByPassZoneAndExpiry() throws {
        expect(try explain(Who.delegate.rawValue, "Plain"), .admitted, "open", "pass 1 'Delegate' opens Hall always")
        // Access to a zone includes the zones that contain it.
        expect(
            try explain(Who.stage.rawValue, "Plain"), .admitted, "open",
            "opens Stage, which lies in Hall from 2026-11-23T09:59:00.000Z")
        expect(try explain(99, "Plain", "--direction", "out"), .admitted, "way-out", "never rejected")
        let late = try explain(Who.delegate.rawValue, "Plain", "--at", "2026-11-23T16:00:00Z")
        expect(late, .admitted, "open", "has expired (at 2026-11-23T16:00:00.000Z)", "admits")
        #expect(late.flags == Int(Flags.snapshotExpired.rawValue))
    }

    @Test func rejectionByTagStatusIsExplained() throws {
        expect(try explain(99, "Plain"), .unknownTag, "unknown", "not in this snapshot")
        expect(try explain(Who.lost.rawValue, "Plain"), .lost, "lost", "replaced")
        expect(try explain(Who.void.rawValue, "Plain"), .void, "void", "void")
        expect(try explain(Who.blocked.rawValue, "Plain"), .blocked, "blocked", "blocked")
        expect(try explain(Who.delegate.rawValue, "Careful"), .notAuthentic, "uid-only", "uid_only: false")
        expect(
            try explain(Who.delegate.rawValue, "Strict", "--at", "2026-11-23T16:00:00Z"), .noSnapshot, "expired",
            "expired: deny")
    }

    @Test func rejectionByPassIsExplained() throws {
        expect(
            try explain(Who.foyerOnly.rawValue, "Plain"), .noAccess, "no-access",
            "pass 2 'Visitor' opens Foyer, and this gate leads into Hall")
        expect(try explain(Who.nothing.rawValue, "Plain"), .noAccess, "no-access", "pass 4 'Void' opens nothing")
        expect(try explain(Who.withoutPass.rawValue, "Plain"), .noAccess, "no-pass", "no pass")
        let morning = try explain(Who.morning.rawValue, "Plain")
        expect(
            morning, .outsideTime, "outside-time", "from 2026-11-23T08:00:00.000Z until 2026-11-23T10:00:00.000Z",
            "opens at 2026-11-24T10:00:00.000Z")
        expect(
            try explain(Who.morning.rawValue, "Plain", "--at", "2026-11-25T00:00:00Z"), .outsideTime, "outside-time",
            "closed since 2026-11-24T11:00:00.000Z")
        expect(try explain(Who.morning.rawValue, "Patient"), .admitted, "open", "until 2026-11-23T10:00:00.000Z")
        expect(
            try explain(Who.morning.rawValue, "Patient", "--at", "2026-11-23T10:10:00Z"), .outsideTime, "outside-time",
            "with a tolerance of 600 s", "opens at 2026-11-24T09:50:00.000Z")
    }

    @Test func antiPassbackIsExplained() throws {
        func inside(_ who: Who, _ gate: String, _ since: String = "2026-11-23T09:50:00Z") throws -> Answer {
            try explain(who.rawValue, gate, "--inside-since", since)
        }
        expect(try inside(.delegate, "Plain"), .admitted, "open")
        expect(try inside(.delegate, "Hard"), .alreadyInside, "antipassback", "hard")
        let soft = try inside(.delegate, "Soft")
        expect(soft, .admitted, "open", "only flags")
        #expect(soft.flags == Int(Flags.reuse.rawValue))
        expect(try inside(.delegate, "Timed"), .alreadyInside, "antipassback", "less than 20 minutes")
        expect(try inside(.delegate, "Timed", "2026-11-23T09:30:00Z"), .admitted, "open")
        expect(try inside(.once, "Plain"), .alreadyInside, "one-entry", "pass 5 'Day' admits once")
    }

    @Test func textOutputListsAllGatesAndInvalidOptionsFail() throws {
        let question = ["explain", file, "--tag", "5", "--at", "2026-11-23T10:00:00Z"]
        let all = try Run.succeeding("tapline-snapshot", question)
        #expect(all.lines.first == "tag 5: not in this snapshot" && all.lines.count == 2 + 7)
        #expect(all.lines.contains("  Plain    into Hall: unknown: the tag is not in this snapshot"))
        let out = try Run.succeeding("tapline-snapshot", question + ["--gate", "Plain", "--direction", "out"])
        #expect(out.lines.last == "  Plain  out to Foyer: admitted: an exit is never rejected")
        let none = try Run.it("tapline-snapshot", question + ["--gate", "Nowhere"])
        #expect(none.end == .exit(1) && none.errors.contains("'Plain', 'Careful'"))
        for bad in [["--direction", "up"], ["--at", "noon"], ["--inside-since", "yesterday"]] {
            #expect(try Run.it("tapline-snapshot", question + bad).end == .exit(78))
        }
    }
}
