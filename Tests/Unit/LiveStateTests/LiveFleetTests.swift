import TestSupport
import Testing

@testable import LiveState

/// Tests the part `fleet` of the state, and the estimates from successive values.
@Suite struct LiveFleetTests {
    private static let now: Int64 = 1_780_272_000_000_000

    private func scanner(
        _ id: String, _ state: String, backlog: Int64? = 0, heardS: Int64? = 5, unsentS: Int64? = nil,
        gate: String? = "G"
    ) -> LiveFleet.Scanner {
        let place = LiveFleet.letters.firstIndex { $0.state == state } ?? 99
        return LiveFleet.Scanner(
            id: id, gate: gate, state: state, place: Int64(place + 1), backlog: backlog,
            heardMicros: heardS.map { LiveFleetTests.now - $0 * 1_000_000 },
            unsentSinceMicros: unsentS.map { LiveFleetTests.now - $0 * 1_000_000 })
    }

    private func fleet(_ scanners: [LiveFleet.Scanner], catchUpS: [String: Int64] = [:]) -> LiveFleet {
        LiveFleet(scanners, catchUpS: catchUpS, nowMicros: LiveFleetTests.now)
    }

    @Test func scannersAreShownInOrderAndTheWorstFirst() throws {
        let fleet = fleet(
            [
                scanner("a", "live"), scanner("b", "catching-up", backlog: 30, unsentS: 200),
                scanner("c", "never-heard", backlog: nil, heardS: nil, gate: nil),
                scanner("d", "catching-up", backlog: 90, unsentS: 100), scanner("e", "silent", heardS: 70),
                scanner("f", "silent", heardS: 700), scanner("g", "disabled"), scanner("h", "of the future"),
            ], catchUpS: ["d": 12])
        #expect(
            fleet.json == """
                {"as_of":"2026-06-01T00:00:00.000Z","list":"\(fleet.listHash)","counts":{"never-heard":1,"silent":2,\
                "catching-up":2,"live":1,"disabled":1},"backlog":120,"backlog_unknown":1,\
                "oldest_unsent_s":200,"worst":[\
                {"id":"c","gate":null,"state":"never-heard","backlog":null,"catch_up_s":null,"heard_s":null},\
                {"id":"f","gate":"G","state":"silent","backlog":0,"catch_up_s":null,"heard_s":700},\
                {"id":"e","gate":"G","state":"silent","backlog":0,"catch_up_s":null,"heard_s":70},\
                {"id":"d","gate":"G","state":"catching-up","backlog":90,"catch_up_s":12,"heard_s":5},\
                {"id":"b","gate":"G","state":"catching-up","backlog":30,"catch_up_s":null,"heard_s":5},\
                {"id":"h","gate":"G","state":"of the future","backlog":0,"catch_up_s":null,"heard_s":5}],\
                "cells":"lunussx?"}
                """)
        #expect(
            fleet.alarms == [
                LiveAlarm(id: "silent", level: .warn, arguments: #"{"n":2}"#),
                LiveAlarm(id: "backlog", level: .warn, arguments: #"{"scans":120,"oldest_s":200}"#),
            ])
    }

    @Test func backlogOfScannersThatWereNeverHeardIsUnknown() {
        let never = scanner("a", "never-heard", backlog: nil, heardS: nil)
        let none = fleet([never])
        #expect(none.backlog == nil && none.backlogUnknown == 1 && !none.hasSentAll)
        #expect(none.json.contains(#""backlog":null,"backlog_unknown":1,"oldest_unsent_s":null"#), "\(none.json)")
        let some = fleet([never, scanner("b", "live")])
        #expect(some.backlog == 0 && some.backlogUnknown == 1 && !some.hasSentAll)
        // A disabled one holds nothing that is waited for.
        let all = fleet([scanner("a", "disabled", backlog: nil, heardS: nil), scanner("b", "live")])
        #expect(all.backlog == 0 && all.backlogUnknown == 0 && all.hasSentAll)
        // A backlog of which no scan was stored yet has an unknown age.
        #expect(!fleet([scanner("b", "live", backlog: 3)]).hasSentAll)
    }

    @Test func listOfTheFleetChangesItsHash() {
        let one = fleet([scanner("a", "live"), scanner("b", "live")])
        #expect(one.listHash == fleet([scanner("a", "silent"), scanner("b", "live")]).listHash)
        #expect(one.listHash != fleet([scanner("a", "live")]).listHash)
        #expect(one.listHash != fleet([scanner("a", "live"), scanner("b", "live", gate: nil)]).listHash)
        #expect(one.listHash.utf8.count == 16)
        #expect(
            one.listJSON == #"{"list":""# + one.listHash
                + #"","scanners":[{"id":"a","gate":"G"},{"id":"b","gate":"G"}]}"#)
    }

    @Test func worstScannersAreLimited() {
        let fleet = fleet((0..<1_000).map { scanner("scanner-\($0)", "silent") })
        #expect(fleet.json.ranges(of: "\"heard_s\"").count == LiveFleet.worstLimit)
        #expect(fleet.json.utf8.count < 4_000)
    }

    @Test func catchUpTimeFollowsHowFastTheBacklogShrinks() {
        var estimate = CatchUpEstimate()
        #expect(estimate.update([("a", 1_000), ("b", 50)], nowMs: 0) == [:])
        #expect(estimate.update([("a", 990), ("b", 50)], nowMs: 2_000) == [:])
        // 100 scans in 5 s, so 900 take 45 s. The other one does not shrink.
        #expect(estimate.update([("a", 900), ("b", 60)], nowMs: 5_000) == ["a": 45])
        // Only the last half minute counts: 100 scans in it.
        for second in stride(from: Int64(10), through: 40, by: 5) {
            _ = estimate.update([("a", 800)], nowMs: second * 1_000)
        }
        #expect(estimate.update([("a", 700)], nowMs: 45_000) == ["a": 210])
        // A scanner that has caught up has no former samples.
        #expect(estimate.update([], nowMs: 50_000) == [:])
        #expect(estimate.update([("a", 10)], nowMs: 55_000) == [:])
    }

    @Test func rateIsTheIncreaseOfTheLastSeconds() {
        var rate = LiveRate()
        #expect(rate.update(1_000, nowMs: 0) == nil)
        #expect(rate.update(1_500, nowMs: 2_000) == 250)
        for second in stride(from: Int64(4), through: 14, by: 2) { _ = rate.update(1_500, nowMs: second * 1_000) }
        #expect(rate.update(1_500, nowMs: 16_000) == 0)
        // Another database.
        #expect(rate.update(3, nowMs: 18_000) == nil)
    }
}
