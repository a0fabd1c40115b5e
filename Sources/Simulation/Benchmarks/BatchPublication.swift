import AMQP
import FleetSimulation
import LinuxSystem
package import Runtime
import ScanBatchCodec
import ScanModel

/// Publishes a `BatchPlan` from memory over one connection, for benchmarks of the center.
///
/// `fill` publishes batches as fast as the broker confirms them. `live` publishes at a steady rate and reports the time
/// of each batch. `Fleet` runs the code of real publishers instead.
package final class BatchPublication {
    /// Stack of the thread that runs a publication, in bytes.
    package static let stackBytes = AMQPConnection.stackBytes
    /// Maximum number of unconfirmed batches.
    static let windowBatches = 256
    /// Time limit for a confirm, in milliseconds. A broker that takes longer has failed.
    static let stallLimitMs: Int64 = 60_000

    /// The encoding of a batch.
    package enum Format: String, CaseIterable, Sendable {
        /// Scan batch v1.
        case cbor
        /// The same columns as a JSON object, for a consumer that reads JSON.
        case json
    }

    private let plan: BatchPlan
    private let exchange: String
    private let format: Format
    private let connection: AMQPConnection
    private var unconfirmed: Set<UInt64> = []

    /// Connects to the first broker of the plan.
    ///
    /// - Throws: `BenchmarkError.invalidPlan`, and `AMQPError` for an invalid URL or an unreachable broker.
    package init(_ plan: BatchPlan, exchange: String, format: Format) throws {
        try plan.check()
        self.plan = plan
        self.exchange = exchange
        self.format = format
        let address = try AMQPAddress(url: plan.fleet.urls[0], security: plan.fleet.security)
        connection = try AMQPConnection(address, name: "tapline-fleet bench")
        try connection.confirmSelect()
    }

    /// Publishes all batches and waits until they are confirmed.
    ///
    /// - Returns: `false` if `stop` was set before the last confirm.
    /// - Throws: `AMQPError`, `BenchmarkError`.
    package func fill(_ stop: StopSignal) throws -> Bool {
        let world = plan.world()
        for index in 0..<plan.count {
            let batch = try plan.batch(plan.step(index), in: world, sentMicros: SystemClock.nowMicroseconds())
            guard try publish(batch, stop) != nil else { return false }
        }
        return try confirmAll(stop)
    }

    /// Publishes batches at a steady rate, with the present time as device time.
    ///
    /// The last scan of each batch belongs to an attendee who taps only once, its marker. Each batch writes
    /// the line `<tag> <microseconds since 1970>` to standard output. The time is that just before the publish.
    ///
    /// - Parameters:
    ///   - rate: scans per second.
    ///   - first: number of the first marker, counted after the attendees of the plan. Each batch uses one.
    /// - Returns: `false` if `stop` was set before the last confirm.
    /// - Throws: `AMQPError`, `BenchmarkError`, and `SystemError` if standard output cannot be written.
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

    /// - Returns: the time of the publish in microseconds since 1970, or `nil` if `stop` was set first.
    private func publish(_ batch: ScanBatch, _ stop: StopSignal) throws -> Int64? {
        let body = format == .cbor ? batch.encoded() : batch.json()
        let hasRoom = try listen(stop, everyMs: 20) {
            unconfirmed.count < BatchPublication.windowBatches && connection.hasRoom(forBytes: body.count)
        }
        guard hasRoom else { return nil }
        let properties = AMQPProperties(
            contentType: format == .cbor ? "application/cbor" : "application/json", type: "tapline.scans.v1",
            messageID: "\(batch.journalID):\(batch.first)", userID: connection.user, deliveryMode: 2)
        let atMicros = SystemClock.nowMicroseconds()
        unconfirmed.insert(
            try connection.publish(
                exchange: exchange, routingKey: "scan.\(batch.scanner)", mandatory: true, properties: properties,
                body: body))
        try processEvents()
        return atMicros
    }

    private func confirmAll(_ stop: StopSignal) throws -> Bool {
        guard try listen(stop, everyMs: 50, until: { unconfirmed.isEmpty }) else { return false }
        connection.close()
        return true
    }

    /// Processes events until the condition holds. Returns `false` if `stop` was set first.
    private func listen(_ stop: StopSignal, everyMs: Int, until isDone: () -> Bool) throws -> Bool {
        let startMs = SystemClock.monotonicMs()
        while !isDone() {
            guard !stop.isStopped else { return false }
            guard SystemClock.monotonicMs() - startMs < BatchPublication.stallLimitMs else {
                throw BenchmarkError.noConfirms(withinMs: BatchPublication.stallLimitMs)
            }
            try listen(stop, timeoutMs: everyMs)
        }
        return true
    }

    private func listen(_ stop: StopSignal, timeoutMs: Int) throws {
        // At most 250 ms, so that heartbeats are sent in time.
        _ = Poll.wait([connection.descriptor, stop.descriptor], timeoutMs: min(timeoutMs, 250))
        try processEvents()
    }

    private func processEvents() throws {
        for event in try connection.poll() {
            switch event {
            case .confirmed(let tag, multiple: true): unconfirmed = unconfirmed.filter { $0 > tag }
            case .confirmed(let tag, multiple: false): unconfirmed.remove(tag)
            case .blocked, .unblocked: break
            default: throw BenchmarkError.batchRejected("\(event)")
            }
        }
    }
}
