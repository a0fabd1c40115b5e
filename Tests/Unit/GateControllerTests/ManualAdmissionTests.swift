import ScanModel
import Synchronization
import TestSupport
import Testing

@testable import GateController

/// Manual admissions with a tag, and what the answer says of the list.
@Suite struct ManualAdmissionTests {
    private let world: LaneWorld

    init() throws {
        world = try LaneWorld()
        try world.venue.install(version: 100, policy: #"{"antipassback":"hard","debounce_ms":0}"#)
        try world.start()
    }

    private func admit(_ tag: ManualTag) -> String {
        let answers = Mutex<[String]>([])
        world.lane.dispatch(
            world.arrival(
                .command(.admit(tag, reason: "ID checked")) { result in
                    let text =
                        switch result {
                        case .done(let text): text
                        case .rejected(let text): "rejected: \(text)"
                        }
                    answers.withLock { $0.append(text) }
                }))
        return answers.withLock { $0.first ?? "no answer" }
    }

    @Test func answerSaysWhatTheListSays() throws {
        let venue = world.venue
        for (tag, words) in [
            (.uid([0x04, 9, 9, 9]), "admitted, unknown to the list,"),
            (.uid(venue.uid(.blocked)), "admitted, blocked in the list,"),
            (.uid(venue.uid(.staff)), "admitted, in the list without access here,"),
            (.uid(venue.uid(.early)), "admitted, in the list with pass Early for another time,"),
            (.id(venue.tag(.delegate)), "admitted, in the list with pass Delegate,"),
            (
                .id(venue.tag(.delegate)),
                "admitted, in the list with pass Delegate, already inside since 2026-11-23T09:"
            ),
            (.code("TICKET-1"), "admitted, unknown to the list,"),
        ] as [(ManualTag, String)] {
            let answer = admit(tag)
            #expect(answer.hasPrefix(words), "\(answer)")
        }
        let scans = try venue.journaled()
        #expect(scans.map(\.verdict.rawValue) == Array(repeating: 0, count: 7))
        #expect(scans.allSatisfy { $0.flags == .operatorOverride })
        #expect(scans.last?.tag == venue.key.tagID(of: .code("TICKET-1")))
        #expect(scans[4].tag == venue.tag(.delegate))
    }

    @Test func textOfAnotherKindOrLengthIsRejected() throws {
        for (uid, words) in [
            ([0xCA, 0xFE], "4, 7 or 10 bytes, not 2"), ([0x08, 1, 2, 3], "random"),
            ([0, 0, 0, 0], "only zeros"), ([UInt8](repeating: 0xff, count: 7), "only FF"),
            ([0x88, 4, 1, 2], "longer UID"), ([0x88, 4, 1, 2, 0x8F, 3, 4, 5], "longer UID"),
        ] as [([UInt8], String)] {
            let answer = admit(.uid(uid))
            #expect(answer.hasPrefix("rejected: ") && answer.contains(words), "\(answer)")
        }
        let hex = world.venue.hex(.delegate)
        let answer = try admit(.code(CodeText(hex)))
        #expect(answer.contains("rejected: the list has no such code, but a chip with this UID"))
        #expect(try world.venue.journaled().isEmpty)
    }

    @Test func digitsOfAListedCodeAreNoUID() throws {
        let key = world.venue.key
        func choice(_ tag: ManualTag, listed: TagIdentity) throws -> TagID {
            try ManualTagChoice(tag, tagID: { key.tagID(of: $0) }, knows: { $0 == key.tagID(of: listed) }).tag
        }
        let uid: [UInt8] = [0x12, 0x34, 0x56, 0x78]
        #expect(throws: ManualTagChoice.Refusal.isCode) { _ = try choice(.uid(uid), listed: .code("12345678")) }
        #expect(try choice(.uid(uid), listed: .sun(uid)) == key.tagID(of: .sun(uid)))
        #expect(try choice(.uid([1, 2]), listed: .uid([1, 2])) == key.tagID(of: .uid([1, 2])))
        #expect(try choice(.code("12345678"), listed: .code("12345678")) == key.tagID(of: .code("12345678")))
    }

    @Test func everyCommandSurvivesTheSocket() {
        for command in [
            .admit(nil, reason: "a child"), .admit(.uid([4, 1, 2, 3]), reason: "r"),
            .admit(.code("تذكرة 7"), reason: "r"), .admit(.id(TagID(rawValue: .min)), reason: "r"),
        ] as [LaneCommand] {
            #expect(ControlMessage.command(ControlMessage.line(command)) == .success(command))
        }
        // An older gate does not know this kind, and rejects the command. It must not admit a person without a tag.
        #expect(ControlMessage.line(.admit(.code("A"), reason: "r")).contains(#""order":"admit-code""#))
        for (line, error) in [
            (#"{"order":"admit-code","reason":"r"}"#, .code), (#"{"order":"admit-id","reason":"r"}"#, .tag),
            (#"{"order":"admit-id","reason":"r","tag":0}"#, .tag),
            (#"{"order":"admit-code","code":"A"}"#, .reason(nil)),
        ] as [(String, ControlMessage.Invalid)] {
            #expect(ControlMessage.command(line) == .failure(error))
        }
    }

    @Test func tagOfAnAttendeeIsFoundInTheSnapshot() throws {
        let venue = world.venue
        #expect(try ControlClient.tag(ofAttendee: 4, folder: venue.data) == venue.tag(.staff))
        #expect(throws: ControlError.self) { try ControlClient.tag(ofAttendee: 77, folder: venue.data) }
        #expect(throws: ControlError.self) { try ControlClient.tag(ofAttendee: 4, folder: venue.folder.file("none")) }
    }
}
