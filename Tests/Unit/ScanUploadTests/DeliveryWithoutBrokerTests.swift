import ErrorModel
import Runtime
import ScanJournal
import ScanModel
import ScanUpload
import TestSupport
import Testing

/// `ship` and `resend` without a broker.
struct DeliveryWithoutBrokerTests {
    private let folder = TemporaryFolder("delivery")

    private func delivery(
        _ kind: OfflineDelivery.Kind, confirmLimitMs: Int64, url: String = "amqp://127.0.0.1:1/"
    ) throws -> OfflineDelivery {
        try OfflineDelivery(
            kind, folder: folder.path, scanner: nil, urls: [url], confirmLimitMs: confirmLimitMs)
    }

    private func error(
        _ kind: OfflineDelivery.Kind, confirmLimitMs: Int64, _ stop: StopSignal = StopSignal()
    ) -> UploadError? {
        #expect(throws: UploadError.self) { try delivery(kind, confirmLimitMs: confirmLimitMs).run(stop) }
    }

    private func journalWithOneScan() throws -> Journal {
        let journal = try Journal(folder: folder.path, scanner: ScannerID("gate-7")!)
        _ = try journal.append(atMs: 1, tag: TagID(rawValue: 1), verdict: .admitted, flags: [], gate: 7, snapshot: 1)
        return journal
    }

    @Test func unreachableBrokerEndsDeliveryAfterTheLimit() throws {
        let journal = try journalWithOneScan()
        defer { withExtendedLifetime(journal) {} }
        let error = error(.since(0), confirmLimitMs: 300)
        guard case .deliveryIncomplete(confirmed: 0, total: 1, .brokerTimeout) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.category == .unavailable && error?.description.contains("0 of 1 scans") == true)
    }

    @Test func stopEndsDeliveryWithProgress() throws {
        let journal = try journalWithOneScan()
        defer { withExtendedLifetime(journal) {} }
        let stop = StopSignal()
        stop.stop()
        let error = error(.since(0), confirmLimitMs: 60_000, stop)
        #expect(error == .deliveryIncomplete(confirmed: 0, total: 1, .stopped) && error?.category == .failure)
    }

    @Test func folderOfRunningGateIsNotThatOfDeadDevice() throws {
        let journal = try journalWithOneScan()
        defer { withExtendedLifetime(journal) {} }
        let error = #expect(throws: JournalError.self) {
            try delivery(.dead(all: true), confirmLimitMs: 300).run(StopSignal())
        }
        #expect(error == .gateIsRunning(folder: folder.path) && error?.category == .configuration)
    }

    @Test func emptyJournalNeedsNoBroker() throws {
        let journal = try Journal(folder: folder.path, scanner: ScannerID("gate-7")!)
        let report = try delivery(.since(0), confirmLimitMs: 60_000).run(StopSignal())
        #expect(report.scans == 0 && report.source.scanner == "gate-7" && report.source.isComplete)
        #expect(journal.lastSeq == 0)
    }

    @Test func invalidBrokerURLIsRejected() {
        let error = #expect(throws: UploadError.self) {
            try delivery(.since(0), confirmLimitMs: 1, url: "http://x")
        }
        #expect(error?.category == .configuration)
    }
}
