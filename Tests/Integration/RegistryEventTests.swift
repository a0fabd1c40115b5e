import ErrorModel
import Postgres
import RegistrationLists
import Registry
import ScanModel
import TestSupport
import Testing

/// The identity, the key and the time zone of the event.
@Suite struct RegistryEventTests {
    private let world: RegistryFixture
    private let list = "uid,name,external_ref\n04a1b2c3,Ada,a-1\n04a1b2c4,Bob,b-1\n"

    init() throws { world = try RegistryFixture() }

    private func use(_ fingerprint: String) throws { try world.import(list) { $0.keyFingerprint = fingerprint } }

    private func stored() throws -> [String] { try world.rows("SELECT key_fingerprint FROM tapline.event_settings") }

    // MARK: Key

    @Test func listUnderAnotherKeyIsRefusedBeforeAnythingIsStored() throws {
        try world.setEvent { $0.name = "Desert" }
        try use("00112233aabbccdd")
        #expect(try stored() == ["00112233aabbccdd"])
        let before = try world.picture()
        let error = try world.rejected { try use("00112233aabbccde") }
        #expect(error == .keyDiffers(event: "00112233aabbccdd", given: "00112233aabbccde"))
        #expect(error.category == .configuration)
        #expect(error.description.contains("00112233aabbccdd") && error.description.contains("00112233aabbccde"))
        #expect(try world.picture() == before)
        try use("00112233aabbccdd")
    }

    @Test func keyOfAListBeforeTheEventIsTakenOver() throws {
        try use("00112233aabbccdd")
        #expect(try stored() == ["00112233aabbccdd"])
        _ = try world.rejected { try use("00112233aabbccde") }
        try world.setEvent { $0.name = "Desert" }
        #expect(try world.rows("SELECT key_fingerprint FROM tapline.event") == ["00112233aabbccdd"])
        _ = try world.rejected { try use("00112233aabbccde") }
    }

    @Test func dryRunStoresNoKey() throws {
        try world.setEvent { $0.name = "Desert" }
        try world.import(list) { ($0.keyFingerprint, $0.isDryRun) = ("00112233aabbccdd", true) }
        #expect(try stored() == ["-"])
    }

    @Test func eventWithoutTagsTakesAnotherKey() throws {
        try world.setEvent { $0.name = "Desert" }
        try use("00112233aabbccdd")
        try world.connection.execute("DELETE FROM tapline.tags")
        try use("00112233aabbccde")
        #expect(try stored() == ["00112233aabbccde"])
    }

    @Test func tagCommandsCompareTheKey() throws {
        try world.setEvent { $0.name = "Desert" }
        try world.import(list)
        let (tag, new) = (TagID(rawValue: world.tag(0x04, 0xa1, 0xb2, 0xc3)), TagID(rawValue: 77))
        let other = try #require(EventKey(Array(UInt8(8)..<40))).fingerprint
        // An unknown tag proves no key.
        _ = try world.rejected { try world.registry.setTag(new, .lost, keyFingerprint: other) }
        #expect(try stored() == ["-"])
        _ = try world.registry.setTag(tag, .lost, keyFingerprint: world.key.fingerprint)
        #expect(try stored() == [world.key.fingerprint])
        let wanted = RegistryError.keyDiffers(event: world.key.fingerprint, given: other)
        #expect(try world.rejected { try world.registry.setTag(tag, .active, keyFingerprint: other) } == wanted)
        #expect(try world.rejected { try world.registry.replaceTag(tag, by: new, keyFingerprint: other) } == wanted)
    }

    @Test func listOfTagIDsPinsNoKey() throws {
        try world.setEvent { $0.name = "Desert" }
        try world.import("tag_id,name,external_ref\n77,Ada,a-1\n") { $0.keyFingerprint = "00112233aabbccdd" }
        #expect(try stored() == ["-"])
        // A list without tags, as after a restored export.
        try world.import("name,external_ref\nBob,b-1\n") { $0.keyFingerprint = "00112233aabbccde" }
        #expect(try stored() == ["-"])
    }

    @Test func keyIsPinnedOnlyByARegisteredTagThatItGives() throws {
        try world.setEvent { $0.name = "Desert" }
        let tag = world.tag(0x04, 0xa1, 0xb2, 0xc3)
        try world.import("tag_id,name,external_ref\n\(tag),Ada,a-1\n")
        let unproved = try world.import("uid,name,external_ref\n04a1b2ff,Eve,e-1\n") {
            $0.keyFingerprint = world.key.fingerprint
        }
        #expect(try stored() == ["-"])
        #expect(unproved.warnings.count == 1 && unproved.warnings[0].contains(world.key.fingerprint))
        #expect(try world.import(list) { $0.keyFingerprint = world.key.fingerprint }.warnings.isEmpty)
        #expect(try stored() == [world.key.fingerprint])
    }

    @Test func wrongKeyIsCorrectedWithAConfirmation() throws {
        try world.setEvent { ($0.name, $0.keyFingerprint) = ("Desert", "00112233aabbccdd") }
        #expect(try stored() == ["00112233aabbccdd"], "without tags nothing can become unknown")
        try use("00112233aabbccdd")
        let error = try world.rejected { try world.setEvent { $0.keyFingerprint = world.key.fingerprint } }
        #expect(error == .keyUnproved(tags: 2, event: "00112233aabbccdd", given: world.key.fingerprint))
        let facts = try world.setEvent {
            ($0.keyFingerprint, $0.allowsUnknownTags) = (world.key.fingerprint, true)
        }
        #expect(facts.keyFingerprint == world.key.fingerprint)
        try use(world.key.fingerprint)
    }

    // MARK: Identity

    @Test func eventHasAPermanentID() throws {
        let first = try world.setEvent { $0.name = "Desert" }
        let renamed = try world.setEvent { $0.name = "Desert 2026" }
        #expect(renamed.id == first.id && renamed.name == "Desert 2026")
        #expect(try world.rows("SELECT id FROM tapline.event_settings") == [first.id])
    }

    @Test func publishedIDCannotChange() throws {
        let id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
        #expect(try world.setEvent { ($0.name, $0.id) = ("Desert", id.uppercased()) }.id == id)
        _ = try world.rejected { try world.setEvent { $0.id = "x" } }
        try world.connection.execute(
            """
            INSERT INTO tapline.snapshots (version, expires_at, attendees, size, sha256, file)
            VALUES (1, now(), 1, 1, repeat('0', 64), 'f')
            """)
        let error = try world.rejected { try world.setEvent { $0.id = "6ba7b810-9dad-41d1-80b4-00c04fd430c9" } }
        #expect(error == .eventHasID(id))
        #expect(try world.setEvent { $0.id = id }.id == id)
        #expect(throws: PostgresError.self) {
            try world.connection.execute("UPDATE tapline.event SET id = gen_random_uuid()")
        }
    }

    // MARK: Time zone

    @Test(arguments: [
        ("UTC+4", "Asia/Dubai"), ("+04:00", "Asia/Dubai"), ("GMT+0530", "Asia/Kolkata"), ("Etc/GMT-4", "Asia/Dubai"),
        ("IST", "Asia/Kolkata"), ("Asia/Dubay", "Asia/Dubai"), ("dubai", "Asia/Dubai"),
        ("New York", "America/New_York"), ("gst", "Asia/Dubai"), ("tokyo", "Asia/Tokyo"), ("rome", "Europe/Rome"),
    ])
    func textThatIsNoTimeZoneIsRefusedWithTheNearest(text: String, near: String) throws {
        let error = try world.rejected { try world.setEvent { ($0.name, $0.timeZone) = ("Desert", text) } }
        guard case .invalidTimeZone(text, let names) = error else { throw TestFailure("\(error)") }
        #expect(names.contains(near) && error.category == .configuration, "\(error)")
        #expect(try world.rows("SELECT name FROM tapline.event").isEmpty)
    }

    @Test(
        arguments: [("GST", ["Asia/Dubai"]), ("XMT", []), ("GTM", []), ("UTX", []), ("UCTX", [])]
            as [(String, [String])])
    func abbreviationIsNotExplainedByItsSpelling(text: String, near: [String]) throws {
        let error = try world.rejected { try world.setEvent { ($0.name, $0.timeZone) = ("Desert", text) } }
        #expect(error == .invalidTimeZone(text, near: near))
        #expect(error.description.contains("a region and a city with a slash"))
    }

    @Test func nextDayIsReportedInLocalTimeAndUTC() throws {
        let facts = try world.setEvent { ($0.name, $0.timeZone, $0.dayStart) = ("Desert", "asia/dubai", "05:30") }
        #expect(facts.timeZone == "Asia/Dubai" && facts.offset == "+04:00")
        #expect(facts.nextDayLocal.hasSuffix(" 05:30") && facts.nextDayUTC.hasSuffix(" 01:30"))
        let west = try world.setEvent { $0.timeZone = "America/Bogota" }
        #expect(west.offset == "-05:00" && west.nextDayUTC.hasSuffix(" 10:30"))
        #expect(try world.setEvent { $0.timeZone = "UTC" }.offset == "+00:00")
    }
}
