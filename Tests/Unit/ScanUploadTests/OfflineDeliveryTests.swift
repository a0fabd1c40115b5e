import CLI
import Runtime
import ScanJournal
import ScanModel
import ScanUpload
import TestSupport
import Testing

@Suite("Delivery by hand, without a broker")
struct HandDeliveryTests {
    private let folder = TemporaryFolder("delivery")

    private func deliver(_ kind: OfflineDelivery.Kind, patienceMs: Int64, _ stop: StopSignal) -> ProgramError? {
        #expect(throws: ProgramError.self) {
            try OfflineDelivery(
                kind, folder: folder.path, scanner: nil, urls: ["amqp://127.0.0.1:1/"], patienceMs: patienceMs
            ).run(stop)
        }
    }

    @Test("Told to stop, or without a broker for long, it ends, and says how far it came")
    func ends() throws {
        let journal = try Journal(folder: folder.path, scanner: ScannerID("gate-7")!)
        _ = try journal.append(atMs: 1, tag: TagID(rawValue: 1), verdict: .admitted, flags: [], gate: 7, snapshot: 1)
        let stop = StopSignal()
        let away = deliver(.since(0), patienceMs: 300, stop)
        #expect(away?.code == .unreachable && away?.description.contains("0 of 1 scans") == true)
        stop.stop()
        let stopped = deliver(.since(0), patienceMs: 60_000, stop)
        #expect(stopped?.code == .failed && stopped?.description.contains("stopped") == true)
        // It runs, so it is not dead.
        #expect(deliver(.dead(all: true), patienceMs: 300, StopSignal())?.code == .configuration)
    }

    @Test("Where there is nothing to bring, no broker is asked")
    func nothing() throws {
        let journal = try Journal(folder: folder.path, scanner: ScannerID("gate-7")!)
        let delivery = try OfflineDelivery(
            .since(0), folder: folder.path, scanner: nil, urls: ["amqp://127.0.0.1:1/"], patienceMs: 60_000)
        let report = try delivery.run(StopSignal())
        #expect(report.scans == 0 && report.scanner == "gate-7" && report.isWhole)
        #expect(journal.lastSeq == 0)
        #expect(throws: ProgramError.self) {
            try OfflineDelivery(.since(0), folder: folder.path, scanner: nil, urls: ["http://x"], patienceMs: 1)
        }
    }
}
