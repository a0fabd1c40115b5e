import FoundationEssentials
import HTTPServer
import People
import Postgres
import ScanModel
import SnapshotWriting
import Snapshots
import Synchronization
import TestSupport
import Testing

/// Tests the answers of `/api/people` with stored scans.
@Suite struct PeopleDeskTests {
    private let fixture: IngestFixture
    private let folder = TemporaryFolder("people")

    /// Scans of the last minutes, in seconds before now: in by the door, back in 60 s later (refused), out, unknown.
    init() throws {
        fixture = try IngestFixture()
        try fixture.connection.execute(
            """
            INSERT INTO tapline.event (name, day_start) VALUES ('E', ((now() - interval '3 hours') AT TIME ZONE 'UTC')::time);
            INSERT INTO tapline.journals (id, log, scanner_id) VALUES (1, gen_random_uuid(), 's-1');
            UPDATE tapline.attendees SET name = 'Zoë Ann', external_ref = 'R-5', category = 'VIP' WHERE id = 5;
            INSERT INTO tapline_internal.tag_positions (tag_id, ordered_at, journal_id, seq, gate_id, direction)
                VALUES (9, now() - interval '400 seconds', 1, 1, 1, 0), (10, now() - interval '500 seconds', 1, 9, 1, 1);
            """)
        try ScanRows.insert(
            fixture.connection,
            """
            SELECT 1, n, tag, now() - ago * interval '1 second', v, 0, gate, 5, now()
            FROM (VALUES (1, 9, 400, 0, 1), (2, 9, 340, 5, 1), (3, 9, 300, 3, 2), (4, 11, 200, 0, 1), (5, 10, 100, 8, 1))
                AS scan(n, tag, ago, v, gate)
            """)
    }

    private func get(_ answers: PeopleAnswers, _ path: String, _ query: [String: String] = [:]) throws -> HTTPResponse {
        try #require(try answers.response(path: path, query: query))
    }

    private func answers(key: EventKey? = nil) throws -> PeopleAnswers {
        try PeopleAnswers(fixture.database.connect(), snapshots: folder.path, key: key)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ response: HTTPResponse) throws -> Value {
        guard case .bytes(let bytes) = response.body else { throw TestFailure("no bytes") }
        #expect(response.status == 200 && response.contentType == "application/json")
        #expect(response.headers.contains { $0.name == "Cache-Control" && $0.value == "no-store" })
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(bytes))
    }

    private struct Found: Decodable {
        struct Match: Decodable {
            let id, tags: Int64
            let name, status: String
            let category, externalRef: String?
        }
        struct Stray: Decodable, Equatable {
            let tag: String
            let refusals: Int
        }
        let matches: [Match]
        let more, codes: Bool
        let tags: [Stray]
    }

    private struct Person: Decodable {
        struct Scan: Decodable {
            let time, gate, verdict, direction: String
            let zone: String?
            let counts, annulled, void: Bool
            let tag: String
        }
        struct Tag: Decodable { let id, status: String }
        let id: Int64
        let name, status, asOf, day: String
        let zone, since, gate, pass, erasedAt: String?
        let tags: [Tag]
        let track: [Scan]
        let more: Bool
    }

    private struct Refused: Decodable {
        struct Scan: Decodable {
            let time, verdict, rule, reason: String
            let gate: String?
            let snapshot: Int64?
            let isReplayed: Bool
        }
        let asOf: String
        let refusals: [Scan]
        let more: Bool
    }

    @Test func searchAnswersWithMatches() throws {
        let found = try decode(Found.self, get(answers(), "/api/people", ["q": "zoe"]))
        let match = try #require(found.matches.first)
        #expect(found.matches.count == 1 && !found.more)
        #expect(match.id == 5 && match.name == "Zoë Ann" && match.externalRef == "R-5" && match.tags == 2)
        #expect(match.category == "VIP" && match.status == "active")
        #expect(try decode(Found.self, get(answers(), "/api/people")).matches.isEmpty)
        #expect(try get(answers(), "/api/people", ["q": String(repeating: "x", count: 201)]).status == 400)
    }

    private static func key(_ first: UInt8) throws -> EventKey {
        try #require(EventKey(Array(first..<(first + 32))))
    }

    /// The band of another event, by its tag ID and by the UID on it.
    @Test func tagThatNoPersonHasShowsItsRefusals() throws {
        let key = try Self.key(1)
        let stray = key.tagID(of: .uid([4, 1, 2, 3, 4, 5, 6])).rawValue
        try ScanRows.insert(
            fixture.connection,
            """
            SELECT 1, n, tag, now() - ago * interval '1 second', v, 0, 1, 5, now()
            FROM (VALUES (6, \(stray), 90, 1), (7, \(stray), 80, 1), (8, \(stray), 100000, 1), (9, \(stray), 70, 0))
                AS scan(n, tag, ago, v)
            """)
        for text in ["\(stray)", "04:01:02:03:04:05:06"] {
            let found = try decode(Found.self, get(answers(key: key), "/api/people", ["q": text]))
            #expect(found.matches.isEmpty && found.codes)
            #expect(found.tags == [Found.Stray(tag: "\(stray)", refusals: 2)], "\(text)")
        }
        let refused = try decode(Refused.self, get(answers(), "/api/people/tags/\(stray)/refusals"))
        #expect(refused.refusals.map(\.verdict) == ["unknown", "unknown"] && !refused.more)
        #expect(refused.refusals.allSatisfy { $0.gate == "door" && !$0.reason.isEmpty && $0.snapshot == 5 })
        // Neither a tag without scans, nor one that a person has.
        for text in ["123456", "9"] {
            #expect(try decode(Found.self, get(answers(), "/api/people", ["q": text])).tags.isEmpty)
        }
        #expect(try decode(Refused.self, get(answers(), "/api/people/tags/123456/refusals")).refusals.isEmpty)
    }

    @Test func anotherEventKeyLeavesTheSearchByName() throws {
        let (own, other) = (try Self.key(1), try Self.key(2))
        try fixture.connection.execute("UPDATE tapline.event SET key_fingerprint = '\(own.fingerprint)'")
        for (key, codes) in [(own, true), (other, false), (nil, false)] as [(EventKey?, Bool)] {
            let found = try decode(Found.self, get(answers(key: key), "/api/people", ["q": "zoe"]))
            #expect(found.matches.map(\.id) == [5] && found.codes == codes)
            #expect(try decode(Found.self, get(answers(key: key), "/api/people", ["q": "R-5"])).matches.count == 1)
        }
    }

    /// Both tags of the person are tracked; the later position decides.
    @Test func personIsAnsweredWithPlaceAndTrack() throws {
        let person = try decode(Person.self, get(answers(), "/api/people/5"))
        #expect(person.name == "Zoë Ann" && person.zone == "hall" && person.gate == "door" && person.since != nil)
        #expect(person.tags.map(\.id) == ["9", "10"] && person.erasedAt == nil && !person.more)
        #expect(person.track.map(\.verdict) == ["lost", "no-access", "inside", "admitted"])
        #expect(person.track.map(\.gate) == ["door", "steps", "door", "door"])
        #expect(person.track.map(\.counts) == [false, false, false, true])
        #expect(person.asOf.hasSuffix("Z") && person.track.allSatisfy { $0.time.hasSuffix("Z") })
        let unseen = try decode(Person.self, get(answers(), "/api/people/7"))
        #expect(unseen.zone == nil && unseen.since == nil && unseen.track.isEmpty)
        #expect(try get(answers(), "/api/people/99").status == 404)
        #expect(try get(answers(), "/api/people/99/refusals").status == 404)
        #expect(try answers().response(path: "/api/persons", query: [:]) == nil)
    }

    /// The gate had snapshot 5. Its file says why; without the file the answer says that it only knows the verdict.
    @Test func refusalsHaveTheReasonsOfTheSnapshot() throws {
        let before = try decode(Refused.self, get(answers(), "/api/people/5/refusals"))
        #expect(before.refusals.map(\.verdict) == ["lost", "no-access", "inside"])
        #expect(before.refusals.allSatisfy { !$0.isReplayed && $0.snapshot == 5 && !$0.reason.isEmpty })
        let writer = try SnapshotWriter(path: folder.file("snapshot-5.sqlite"))
        for (tag, status) in [(9, .active), (10, .lost)] as [(Int64, Attendee.Status)] {
            try writer.add(TagID(rawValue: tag), Attendee(status: status, pass: 1, attendee: 5))
        }
        try writer.addPass(id: 1, name: "Delegate")
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1))
        try writer.add(Zone(id: 1, name: "hall", parent: nil))
        try writer.add(Zone(id: 2, name: "stage", parent: nil))
        try writer.addGate(id: 1, name: "door", zone: 1, fromZone: nil, policy: #"{"antipassback":"hard"}"#)
        try writer.addGate(id: 2, name: "steps", zone: 2, fromZone: 1, policy: "{}")
        try writer.finish(event: "E", version: 5, createdS: 1_700_000_000, expiresS: 4_000_000_000)
        let after = try decode(Refused.self, get(answers(), "/api/people/5/refusals"))
        #expect(after.refusals.map(\.rule) == ["lost", "no-access", "antipassback"])
        #expect(after.refusals.allSatisfy { $0.isReplayed }, "\(after.refusals)")
        #expect(after.refusals[1].reason == "pass 1 'Delegate' opens hall, and this gate leads into stage")
    }

    @Test func deskAnswersFromItsThread() throws {
        let desk = PeopleDesk(databaseURL: fixture.url, snapshots: nil)
        let replies = Recorder<Int>()
        let running = RunningService(desk.service())
        #expect(desk.accept("/api/people", ["q": "zoe"]) { replies.record($0.status) })
        try eventually("the desk answers") { replies.all == [200] }
        // A database that goes away is noticed by the next request, and the one after it is answered again.
        try fixture.database.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'tapline-center people' AND datname = current_database()
            """)
        for _ in 0..<2 { #expect(desk.accept("/api/people/5", [:]) { replies.record($0.status) }) }
        try eventually("the desk answers again") { replies.all == [200, 503, 200] }
        running.stop()
        #expect(try running.waitForEnd() == nil)
    }
}
