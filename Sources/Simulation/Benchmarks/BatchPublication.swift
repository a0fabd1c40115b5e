import AMQP
import CLI
import FleetSimulation
import LinuxSystem
package import Runtime
import ScanBatchCodec
import ScanModel

/// Publishes a `BatchPlan` over one connection, straight from memory: fills a broker as fast as it confirms, or sends live
/// batches at a steady pace and says when. For benchmarks of the center; of real publishers, `Fleet` has the code.
package final class BatchPublication {
    /// Batches published and not confirmed.
    static let windowBatches = 256
    /// A broker that confirms nothing for so long has failed.
    static let stallLimitMs: Int64 = 60_000

    package enum Format: String, CaseIterable, Sendable {
        /// Scan batch v1.
        case cbor
        /// The same columns as a JSON object, for a peer that speaks JSON.
        case json
    }

    private let plan: BatchPlan
    private let exchange: String
    private let format: Format
    private let connection: AMQPConnection
    private var unconfirmed: Set<UInt64> = []

    /// Connects. Throws `ProgramError`, configuration for numbers that do not fit and unreachable without a broker.
    package init(_ plan: BatchPlan, exchange: String, format: Format) throws {
        try plan.check()
        (self.plan, self.exchange, self.format) = (plan, exchange, format)
        let address: AMQPAddress
        do { address = try AMQPAddress(url: plan.fleet.urls[0]) } catch {
            throw ProgramError.configuration("--amqp-url: \(error)")
        }
        do {
            connection = try AMQPConnection(address, name: "tapline-fleet bench")
            try connection.confirmSelect()
        } catch { throw ProgramError.unreachable("\(error)") }
    }

    /// Publishes everything and waits until all is confirmed; true when it was not stopped before.
    package func fill(_ stop: StopSignal) throws -> Bool {
        let world = plan.world()
        for index in 0..<plan.count {
            let step = plan.step(index)
            let batch = try plan.batch(step, in: world, sentMicros: SystemClock.nowMicroseconds())
            guard try publish(batch, stop) != nil else { return false }
        }
        return try confirmAll(stop)
    }

    /// Publishes at `rate` scans a second. The last scan of each batch is of an attendee who taps once: of it a line
    /// `<tag> <microseconds since 1970>` is written to standard output, with the time just before the publish.
    ///
    /// - Parameter first: number of the first of those attendees beyond the plan's own, `count` are needed.
    package func live(rate: Int, firstMarker first: Int, _ stop: StopSignal) throws -> Bool {
        let world = plan.world()
        let markers = plan.tags(more: first + plan.count).suffix(plan.count)
        let startMs = SystemClock.monotonicMs()
        for (index, marker) in markers.enumerated() {
            let dueMs = startMs + Int64(index) * Int64(plan.batchScans) * 1_000 / Int64(rate)
            while SystemClock.monotonicMs() < dueMs {
                guard !stop.isStopped else { return false }
                try listen(stop, timeoutMs: Int(max(1, dueMs - SystemClock.monotonicMs())))
            }
            let nowMicros = SystemClock.nowMicroseconds()
            var batch = try plan.batch(
                plan.step(index), in: world, sentMicros: nowMicros, lastMs: nowMicros / 1_000)
            batch.tags[batch.count - 1] = marker
            batch.flags[batch.count - 1] = 0
            guard let atMicros = try publish(batch, stop) else { return false }
            try StandardOutput.writeLine("\(marker) \(atMicros)")
        }
        return try confirmAll(stop)
    }

    /// Gives the time of the publish, or nil when stopped.
    private func publish(_ batch: ScanBatch, _ stop: StopSignal) throws -> Int64? {
        let body = format == .cbor ? batch.encoded() : batch.json()
        let startMs = SystemClock.monotonicMs()
        while unconfirmed.count >= BatchPublication.windowBatches || !connection.hasRoom(forBytes: body.count) {
            guard !stop.isStopped else { return nil }
            guard SystemClock.monotonicMs() - startMs < BatchPublication.stallLimitMs else { throw stalled }
            try listen(stop, timeoutMs: 20)
        }
        let properties = AMQPProperties(
            contentType: format == .cbor ? "application/cbor" : "application/json", type: "tapline.scans.v1",
            messageID: "\(batch.log):\(batch.first)", userID: connection.user, deliveryMode: 2)
        let atMicros = SystemClock.nowMicroseconds()
        unconfirmed.insert(
            try connection.publish(
                exchange: exchange, routingKey: "scan.\(batch.scanner)", mandatory: true, properties: properties,
                body: body))
        try hear()
        return atMicros
    }

    private func confirmAll(_ stop: StopSignal) throws -> Bool {
        let startMs = SystemClock.monotonicMs()
        while !unconfirmed.isEmpty {
            guard !stop.isStopped else { return false }
            guard SystemClock.monotonicMs() - startMs < BatchPublication.stallLimitMs else { throw stalled }
            try listen(stop, timeoutMs: 50)
        }
        connection.close()
        return true
    }

    private var stalled: ProgramError { .failed("the broker confirms nothing") }

    private func listen(_ stop: StopSignal, timeoutMs: Int) throws {
        // Heartbeats go out in time.
        _ = Poll.wait([connection.descriptor, stop.descriptor], timeoutMs: min(timeoutMs, 250))
        try hear()
    }

    private func hear() throws {
        for event in try connection.poll() {
            switch event {
            case .confirmed(let tag, multiple: true): unconfirmed = unconfirmed.filter { $0 > tag }
            case .confirmed(let tag, multiple: false): unconfirmed.remove(tag)
            case .blocked, .unblocked: break
            default: throw ProgramError.failed("the broker did not take a batch: \(event)")
            }
        }
    }
}
