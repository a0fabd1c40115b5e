import Testing

@testable import Ingest

/// Tests what the management API of RabbitMQ says about a queue.
struct QueuePolicyTests {
    private func warnings(_ json: String) -> [String]? {
        QueuePolicy(json: Array(json.utf8))?.warnings(queue: "q").map(\.text)
    }

    @Test func limitsThatRemoveMessagesAreNamed() throws {
        let json = """
            {"arguments":{"x-queue-type":"quorum","x-max-length-bytes":8589934592},"policy":"company",
            "operator_policy":"limits","effective_policy_definition":{"message-ttl":60000,"expires":3600000,
            "overflow":"drop-head","delivery-limit":5,"max-length":1000,"ha-params":[1]},"messages":3}
            """
        #expect(
            warnings(json) == [
                "policy company and limits: message-ttl 60000 ms removes scans that wait longer",
                "policy company and limits: expires 3600000 ms deletes the queue with its scans when no center runs for "
                    + "that time",
                "policy company and limits: overflow drop-head removes the oldest scans when the queue is full",
                "policy company and limits: delivery-limit 5 removes scans that were delivered more often",
            ])
    }

    @Test func harmlessPoliciesGiveNoWarning() {
        for json in [
            #"{"policy":null,"operator_policy":null,"effective_policy_definition":[]}"#,
            #"{"effective_policy_definition":{}}"#, "{}",
            #"{"policy":"p","effective_policy_definition":{"max-length":9,"overflow":"reject-publish"}}"#,
            #"{"policy":"p","effective_policy_definition":{"delivery-limit":2000000000}}"#,
        ] { #expect(warnings(json) == [], "\(json)") }
        #expect(warnings("[]") == nil && warnings("<html>") == nil)
    }
}
