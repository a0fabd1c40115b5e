import SnapshotInstall
import Snapshots
import TestSupport
import Testing

@testable import SnapshotDownload

/// The form and the time of downloads, as plain values.
@Suite struct DownloadPlanTests {
    static let intervalMs = 30_000

    private func manifest(
        _ version: Int64, size: Int64 = 23_000_000, compressed: Int64? = 12_000_000,
        deltas: [(from: Int64, size: Int64)]
    ) -> Manifest {
        let sum = String(repeating: "0", count: 64)
        var manifest = Manifest(
            event: "E", version: version, created: 1, expires: 2, size: size, sha256: sum, content: sum, attendees: 1,
            compressed: compressed.map { Manifest.Package(file: "x.gz", size: $0, sha256: sum) })
        manifest.deltas = deltas.map { from, size in
            Manifest.Delta(
                from: from, file: Manifest.Delta.fileName(from: from, to: version), size: size,
                sha256: "\(from)-\(version)")
        }
        return manifest
    }

    private func from(_ form: DownloadPlan.Form) -> Int64? {
        guard case .delta(let delta) = form else { return nil }
        return delta.from
    }

    @Test func deltaFromCurrentVersionIsChosen() {
        let plan = DownloadPlan(intervalMs: Self.intervalMs)
        let offered = manifest(9, deltas: [(7, 900), (8, 300)])
        #expect(from(plan.form(of: offered, from: 8, at: 0)) == 8)
        #expect(from(plan.form(of: offered, from: 7, at: 0)) == 7)
        #expect(plan.form(of: offered, from: 6, at: 0) == .full)
        #expect(plan.form(of: offered, from: nil, at: 0) == .full)
        #expect(plan.form(of: manifest(9, deltas: []), from: 8, at: 0) == .full)
    }

    @Test func deltaNotSmallerThanFullFileIsNotChosen() {
        let plan = DownloadPlan(intervalMs: Self.intervalMs)
        func form(_ size: Int64, compressed: Int64?) -> Int64? {
            from(plan.form(of: manifest(9, size: 1_000, compressed: compressed, deltas: [(8, size)]), from: 8, at: 0))
        }
        #expect(form(499, compressed: 500) == 8)
        #expect(form(500, compressed: 500) == nil)
        #expect(form(999, compressed: nil) == 8)
        #expect(form(1_000, compressed: nil) == nil)
        let large = Manifest.maxDeltaBytes
        let huge = manifest(9, size: 1 << 29, compressed: 1 << 28, deltas: [(7, large), (8, large + 1)])
        #expect(from(plan.form(of: huge, from: 7, at: 0)) == 7)
        #expect(plan.form(of: huge, from: 8, at: 0) == .full)
    }

    @Test func excludedDeltaIsNotChosenAgain() throws {
        var plan = DownloadPlan(intervalMs: Self.intervalMs)
        let offered = manifest(9, deltas: [(8, 300)])
        guard case .delta(let delta) = plan.form(of: offered, from: 8, at: 0) else { throw TestFailure("no delta") }
        plan.exclude(delta, at: 0)
        #expect(plan.form(of: offered, from: 8, at: 0) == .full)
        // Another source may have the signed bytes ...
        #expect(from(plan.form(of: offered, from: 8, at: 1)) == 8)
        // ... but the delta is excluded everywhere if the signed bytes do not apply.
        plan.exclude(delta, at: nil)
        #expect(plan.form(of: offered, from: 8, at: 1) == .full)
        // The next version has another delta.
        #expect(from(plan.form(of: manifest(10, deltas: [(8, 300)]), from: 8, at: 0)) == 8)
        plan.reset()
        #expect(from(plan.form(of: offered, from: 8, at: 0)) == 8)
    }

    @Test func smallFilesDoNotWait() {
        var random = TestRandom(1)
        for seed in 0..<100 {
            var plan = DownloadPlan(intervalMs: Self.intervalMs)
            let bytes = Int64(seed) * 6_000
            #expect(plan.waitMs(forBytes: bytes, isUrgent: false, nowMs: 5, using: &random) == 0, "\(bytes)")
        }
    }

    /// A thousand scanners learn of a new snapshot of a million tags at the same time. The center can serve the
    /// downloads of each half minute, and no scanner waits longer than the limit.
    @Test func turnsOfAFleetAreSpread() {
        var random = TestRandom(2)
        let bytes: Int64 = 12_000_000
        var turns: [Int64: Int] = [:]
        for _ in 0..<1_000 {
            var plan = DownloadPlan(intervalMs: Self.intervalMs)
            let waitMs = plan.waitMs(forBytes: bytes, isUrgent: false, nowMs: 0, using: &random)
            #expect((0...DownloadPlan.longestWaitMs).contains(waitMs))
            turns[waitMs / 30_000, default: 0] += 1
        }
        let most = turns.values.max() ?? 0
        #expect(Int64(most) * bytes < 30_000 * 1_000 * DownloadPlan.bytesPerMs * 2, "\(most) within half a minute")
        #expect(turns.count > 15)
    }

    @Test func turnIsDrawnOnceAndKept() {
        var random = TestRandom(3)
        var plan = DownloadPlan(intervalMs: Self.intervalMs)
        let first = plan.waitMs(forBytes: 12_000_000, isUrgent: false, nowMs: 0, using: &random)
        #expect(first > 0)
        // Further checks and new versions do not change it.
        #expect(plan.waitMs(forBytes: 12_000_000, isUrgent: false, nowMs: 1_000, using: &random) == first - 1_000)
        #expect(plan.waitMs(forBytes: 13_000_000, isUrgent: false, nowMs: first, using: &random) == 0)
        // An interrupted download continues at once.
        #expect(plan.waitMs(forBytes: 13_000_000, isUrgent: false, nowMs: first + 60_000, using: &random) == 0)
        plan.reset()
        #expect(plan.waitMs(forBytes: 13_000_000, isUrgent: false, nowMs: first + 90_000, using: &random) > 0)
    }

    @Test func scannerWithoutUsableSnapshotWaitsSeconds() {
        var random = TestRandom(4)
        var longest: Int64 = 0
        for _ in 0..<1_000 {
            var plan = DownloadPlan(intervalMs: Self.intervalMs)
            _ = plan.waitMs(forBytes: 12_000_000, isUrgent: false, nowMs: 0, using: &random)
            longest = max(longest, plan.waitMs(forBytes: 12_000_000, isUrgent: true, nowMs: 0, using: &random))
        }
        #expect(longest > 5_000 && longest <= DownloadPlan.longestUrgentWaitMs)
    }

    @Test func currentFileIsCheckedSoonerIfGateDoesNotUseIt() {
        var plan = DownloadPlan(intervalMs: Self.intervalMs)
        let checks: [(isGateElsewhere: Bool, nowMs: Int64)] = [
            (false, 7), (true, 60_006), (false, 60_007), (true, 60_007), (true, 60_008), (false, 3_660_006),
            (false, 3_660_007),
        ]
        let answers = checks.map { check in
            let isDue = plan.isFileCheckDue(isGateElsewhere: check.isGateElsewhere, nowMs: check.nowMs)
            if isDue { plan.noteFileCheck(isIntact: true, nowMs: check.nowMs) }
            return isDue
        }
        #expect(answers == [true, false, false, true, false, false, true])
    }

    /// It is no base of a delta, it is replaced within seconds, and the next check reads it again.
    @Test func damagedFileIsUrgentUntilFoundIntact() {
        var random = TestRandom(6)
        var plan = DownloadPlan(intervalMs: Self.intervalMs)
        plan.noteFileCheck(isIntact: false, nowMs: 5)
        let offered = manifest(9, deltas: [(8, 300)])
        #expect(plan.form(of: offered, from: 8, at: 0) == .full)
        #expect(plan.isFileCheckDue(isGateElsewhere: false, nowMs: 6))
        let waitMs = plan.waitMs(forBytes: 12_000_000, isUrgent: false, nowMs: 6, using: &random)
        #expect(waitMs > 0 && waitMs <= DownloadPlan.longestUrgentWaitMs)
        plan.noteFileCheck(isIntact: true, nowMs: 7)
        #expect(!plan.isFileCheckDue(isGateElsewhere: false, nowMs: 8))
        #expect(from(plan.form(of: offered, from: 8, at: 0)) == 8)
    }

    @Test func refusedFullFileIsHeldForGrowingTimes() {
        var plan = DownloadPlan(intervalMs: Self.intervalMs)
        func reason(_ source: Int, _ nowMs: Int64) -> String? { plan.holdReason("a", at: source, nowMs: nowMs) }
        var (nowMs, pauses): (Int64, [Int64]) = (0, [])
        for _ in 0..<7 {
            plan.hold("a", at: 1, "hash", nowMs: nowMs)
            #expect(reason(1, nowMs) == "hash" && reason(0, nowMs) == nil)
            let length = (1...60).map { Int64($0) * 30_000 }.first { reason(1, nowMs + $0) == nil } ?? 0
            pauses.append(length)
            nowMs += length
        }
        #expect(pauses == [60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000])
        plan.hold("a", at: 1, "hash", nowMs: nowMs)
        plan.reset()
        #expect(reason(1, nowMs) == nil)
    }

    @Test func checksAreSpreadOverTheInterval() {
        var random = TestRandom(5)
        let plan = DownloadPlan(intervalMs: Self.intervalMs)
        let pauses = (0..<1_000).map { _ in plan.pauseMs(using: &random) }
        #expect(pauses.allSatisfy { (24_000...36_000).contains($0) } && Set(pauses).count > 500)
        let starts = (0..<1_000).map { _ in
            DownloadPlan.firstCheckMs(hasSnapshot: true, intervalMs: Self.intervalMs, using: &random)
        }
        #expect(starts.allSatisfy { (0...30_000).contains($0) } && starts.contains { $0 > 20_000 })
        let empty = (0..<1_000).map { _ in
            DownloadPlan.firstCheckMs(hasSnapshot: false, intervalMs: Self.intervalMs, using: &random)
        }
        #expect(empty.allSatisfy { (0...2_000).contains($0) } && empty.contains { $0 > 1_000 })
    }
}
