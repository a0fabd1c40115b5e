import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

@testable import Ingest

/// Tests the checks of a delivery that need no database.
struct ValidatedDeliveryTests {
    private func delivery(
        key: [UInt8] = Array("scan.gate-1".utf8), user: String? = "gate-1", scanner: String = "gate-1"
    ) throws -> IngestDelivery {
        let journalID = JournalID(high: 1, low: 2)
        let batch = ScanBatch(
            heartbeatOf: try #require(ScannerID(scanner)), journalID: journalID, next: 1, gate: nil, snapshot: 0,
            sentMicros: 1_000_000, backlog: 0)
        return IngestDelivery(routingKey: key, userID: user, body: batch.encoded(), receivedMicros: 2_000_000)
    }

    private func reason(_ delivery: IngestDelivery) -> BatchError.Reason? {
        guard case .invalid(let error) = ValidatedDelivery(delivery, relayUsers: ["relay"]) else { return nil }
        return error.reason
    }

    @Test func identityIsCheckedAgainstRoutingKeyAndUser() throws {
        #expect(reason(try delivery()) == nil)
        #expect(reason(try delivery(user: "relay")) == nil)
        #expect(reason(try delivery(user: "gate-2")) == .identity)
        #expect(reason(try delivery(user: nil)) == .identity)
        #expect(reason(try delivery(user: "relay", scanner: "gate-2")) == .identity)
        for key in [
            "scan.gate-2", "scan.", "scan", "", "scan.GATE-1", "scan.gate-1.x", "scan.gate-1\u{0}", "xscan.gate-1",
        ] {
            #expect(reason(try delivery(key: Array(key.utf8))) == .identity, "\(key)")
        }
        #expect(reason(try delivery(key: Array("scan.".utf8) + [0xff])) == .identity)
    }

    @Test func malformedAndOversizedBodiesAreInvalid() throws {
        var delivery = try self.delivery()
        delivery.body = [1, 2, 3]
        #expect(reason(delivery) == .malformed)
        delivery.body = Array(repeating: 0, count: ScanBatch.bodyLimitBytes + 1)
        guard case .invalid(let error) = ValidatedDelivery(delivery, relayUsers: []) else {
            throw TestFailure("an oversized delivery was accepted")
        }
        #expect(error.reason == .oversized)
        #expect(delivery.body.count == ValidatedDelivery.oversizedKeptBytes)
        // SHA-256 of 1,048,577 zero bytes, by sha256sum.
        let hash = "2cb74edba754a81d121c9db6833704a8e7d417e5b13d1a19f4a52f007d644264"
        #expect(error.detail == "1048577 bytes, SHA-256 \(hash); kept: the first 65536")
    }

    @Test func textIsSafeForTheDatabase() {
        #expect(ValidatedDelivery.text(Array("scan.gaté".utf8)) == "scan.gaté")
        #expect(ValidatedDelivery.text([0x61, 0, 0xff]) == "a\\x00\\xff")
        #expect(
            StateText.json(["b": .text("x\u{0}\"y"), "a": .int(-1), "c": .double(.nan)])
                == #"{"a":-1,"b":"x\#u{fffd}\"y","c":null}"#)
        #expect(StateText.json([:]) == nil)
    }
}
