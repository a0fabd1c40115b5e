import AccessControl
import DataFolder
import FileSystem
import GateController
import ScanJournal
import ScanModel
import Testing

@testable import LaneDisplay

/// docs/operating/alarms.md lists every text of the screen.
@Suite struct AlarmPageTests {
    private let page: String

    init() throws {
        let folder = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
        page = AlarmPageTests.normalized(try Files.readText(folder + "/docs/operating/alarms.md", limit: 100_000))
    }

    /// Each number is `N`, as on the page; a second one is `M` there.
    private static func normalized(_ text: String) -> String {
        text.replacing(#/[0-9]+/#, with: "N").replacing(#/\bM\b/#, with: "N").replacing("`", with: "")
    }

    private static let alarms: [Alarm] = [
        .tapsNotJournaled, .noSnapshot, .noGate, .snapshotOfOtherKey, .snapshotUnreadable, .olderSnapshotInUse,
        .snapshotExpired, .diskFull(percent: 85), .clockNotTrusted, .passageSensorFailed, .damagedJournals(2),
        .commandsUnreadable,
        .commandsNotPersisted, .controlSocketFailed, .journalMaintenanceFailed(.other("CAUSE")),
        .journal(.walNotPreallocated(.other("CAUSE"))), .journal(.reserveInUse(remaining: 3, total: 64)),
    ]

    /// Position in `alarms`. A new alarm does not compile until it is added here and there.
    private static func position(_ alarm: Alarm) -> Int {
        switch alarm {
        case .tapsNotJournaled: 0
        case .noSnapshot: 1
        case .noGate: 2
        case .snapshotOfOtherKey: 3
        case .snapshotUnreadable: 4
        case .olderSnapshotInUse: 5
        case .snapshotExpired: 6
        case .diskFull: 7
        case .clockNotTrusted: 8
        case .passageSensorFailed: 9
        case .damagedJournals: 10
        case .commandsUnreadable: 11
        case .commandsNotPersisted: 12
        case .controlSocketFailed: 13
        case .journalMaintenanceFailed: 14
        case .journal(.walNotPreallocated): 15
        case .journal(.reserveInUse): 16
        }
    }

    @Test func everyAlarmIsOnThePage() {
        #expect(Self.alarms.map(Self.position) == Array(Self.alarms.indices))
        for alarm in Self.alarms {
            let text = Self.normalized(alarm.description)
            #expect(page.contains("| \(text) |"), "\(text)")
        }
    }

    @Test func everyTitleAndLabelIsOnThePage() {
        for verdict in (0...9).map({ Verdict(rawValue: $0) }) + [.annulled, .admittedManually, Verdict(rawValue: 99)] {
            for flags in [[], .out, .inspection] as [Flags] {
                let title = DisplayWords.title(result(verdict, flags), .en).joined(separator: " ")
                #expect(page.contains("| \(title) |"), "\(title)")
            }
        }
        for label in DisplayWords.Label.allCases {
            let text = label.text(.en)
            #expect(page.contains(text), "\(text)")
        }
    }

    @Test func everyRemarkIsOnThePage() {
        let details: [TapDetail] = [
            .unreadable(.randomUID), .forgedMessage, .replayedMessage, .uidNotSufficient, .laneOpen, .laneClosed,
            .manualAdmission,
        ]
        let flags: Flags = [.reuse, .operatorOverride, .inspection, .clockNotTrusted, .snapshotExpired]
        let remarks = DisplayWords.remarks(result(.admitted, flags), .en) + details.map(\.description)
        for remark in remarks { #expect(page.contains("| \(remark) |"), "\(remark)") }
        for reason in DroppedRead.allCases { #expect(page.contains("| \(reason) |"), "\(reason)") }
        #expect(page.contains("| \(DisplayWords.couldNotBeRead(.en)) |"))
        #expect(page.contains("| \(DisplayWords.dropped(.en).joined(separator: " ")) |"))
        #expect(page.contains("| \(TapFailure.manualAdmissionNotJournaled) |"))
    }

    @Test func everyReasonForNoGateIsOnThePage() {
        for reason in NoGateReason.allCases { #expect(page.contains("| \(reason) |"), "\(reason)") }
    }

    @Test func everyProblemIsOnThePage() {
        let readers: [ReaderProblem] = [.notResponding, .notFound, .ambiguous(count: 2, example: "...")]
        let turnstiles: [TurnstileProblem] = [
            .boardNotResponding, .relayStuck(channel: 1, isOn: false), .relayStuck(channel: 1, isOn: true),
            .tooFewChannels(count: 2, used: 4),
        ]
        for text in readers.map(\.description) + turnstiles.map(\.description) {
            #expect(page.contains("| \(Self.normalized(text)) |"), "\(text)")
        }
    }
}
