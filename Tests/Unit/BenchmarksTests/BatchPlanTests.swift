import ScanBatchCodec
import ScanModel
import Testing

@testable import Benchmarks
@testable import FleetSimulation

@Suite struct BatchPlanTests {
    private func plan(scanners: Int = 3, rounds: Int = 4, batch: Int = 10) -> BatchPlan {
        let fleet = FleetSettings(
            scanners: scanners, scans: scanners * rounds * batch, source: .synthetic(attendees: 100), urls: [])
        var plan = BatchPlan(fleet, startsMs: 1_700_000_000_000)
        plan.batchScans = batch
        return plan
    }
    private func batches(_ plan: BatchPlan) throws -> [ScanBatch] {
        let world = plan.world()
        return try (0..<plan.count).map { try plan.batch(plan.step($0), in: world, sentMicros: 0) }
    }

    @Test func everyScannerHasOneJournalWithoutGaps() throws {
        let plan = plan()
        let made = try batches(plan)
        #expect(made.count == 12 && Set(made.map(\.journalID)).count == 3)
        for scanner in ["fleet-0001", "fleet-0002", "fleet-0003"] {
            let own = made.filter { $0.scanner == scanner }
            #expect(own.map(\.first) == [1, 11, 21, 31])
            #expect(own.map(\.backlog) == [30, 20, 10, 0])
            let times = own.flatMap { batch in (0..<batch.count).map { batch.time($0) } }
            #expect(times == times.sorted())
        }
        #expect(Set(made.map(\.tags)).count == 12)
        #expect(Set(made.flatMap(\.tags)).isSubset(of: plan.tags()))
        #expect(plan.tags(more: 5).prefix(100) == plan.tags()[...])
    }

    @Test func laterRunContinuesAndRepeatsDeliveredBatches() throws {
        let first = try batches(plan(rounds: 2))
        var later = plan(rounds: 4)
        (later.delivered, later.repeatedPercent) = (2, 50)
        let made = try batches(later)
        let isRepeated = (0..<later.count).map { later.step($0).isRepeated }
        // One round of new batches, one round of repeated ones, in turns.
        #expect(isRepeated == (0..<12).map { $0 / 3 % 2 == 1 })
        let (again, new) = (
            zip(made, isRepeated).filter(\.1).map(\.0), zip(made, isRepeated).filter { !$0.1 }.map(\.0)
        )
        #expect(again.map(content) == first.map(content))
        #expect(new.map(\.first) == [21, 21, 21, 31, 31, 31])

        var all = plan(rounds: 2)
        (all.delivered, all.repeatedPercent) = (2, 100)
        #expect(try batches(all).map(content) == first.map(content))
    }
    private func content(_ batch: ScanBatch) -> ScanBatch {
        var batch = batch
        batch.backlog = 0
        return batch
    }

    @Test func contradictoryNumbersAreRejected() {
        var uneven = plan()
        uneven.fleet.scans = 121
        #expect(throws: BenchmarkError.self) { try uneven.check() }
        var nothing = plan()
        nothing.repeatedPercent = 50
        #expect(throws: BenchmarkError.self) { try nothing.check() }
        #expect(throws: Never.self) { try plan().check() }
    }

    @Test func jsonHasTheColumnsOfTheBatch() throws {
        let batch = try plan().batch(.init(scanner: 1, number: 0, isRepeated: false), in: plan().world(), sentMicros: 5)
        let text = String(decoding: batch.json(), as: UTF8.self)
        #expect(
            text.hasPrefix(
                #"{"scanner":"fleet-0002","log":"\#(batch.journalID)","first":1,"base":\#(batch.baseMicros)"#))
        #expect(text.contains(#""tag":[\#(batch.tags.map(String.init).joined(separator: ","))]"#))
        #expect(text.contains(#""at":[\#(batch.atMs.map(String.init).joined(separator: ","))]"#))
        #expect(text.contains(#""gate":null,"snapshot":0,"#) && text.hasSuffix("]}"))
    }
}
