import Glibc
import Runtime
import TestSupport
import Testing

/// What the center says of a lane and of itself, with the real programs on real servers.
@Suite struct LaneHealthEndToEndTests {
    @Test func deadLaneAndStoppedCenterAreShownWithReasons() async throws {
        try await NamedThread.run("dead lane") {
            let vhost = try TestVhost()
            defer { withExtendedLifetime(vhost) {} }
            let line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
            let scanner = try line.enrol("main-1", gate: "Main", zone: "Hall")
            try line.importing("uid,name,category,zones\n04aabbccdd0010,Ada,guest,Hall\n")
            try line.export()
            try scanner.fetch()
            try line.startCenter()
            try line.awaitCenter()
            #expect(try line.database.query("SELECT state FROM tapline.center_state") == ["running"])
            try scanner.startGate()
            try scanner.startPublisher()
            func awaitCondition(_ conditions: String...) throws {
                try eventually("the condition is one of \(conditions)", everyMs: 100) {
                    let now = try line.database.query("SELECT condition FROM tapline.scanner_health")
                    return now.count == 1 && conditions.contains(now[0])
                }
            }
            // The disk of a busy test machine may be full enough for its alarm.
            try awaitCondition("ok", "DISK")
            try Run.succeeding(
                "tapline-gate", ["mode", "closed", "--data", scanner.data, "--reason", "storm warning"])
            try awaitCondition("CLOSED")
            try eventually("the reason is at the center", everyMs: 100) {
                try line.database.query("SELECT event || ': ' || reason FROM tapline.lane_events") == [
                    "closed: storm warning"
                ]
            }
            try Run.succeeding("tapline-gate", ["mode", "normal", "--data", scanner.data])
            try awaitCondition("ok", "DISK")
            try scanner.gate?.freeze()
            try awaitCondition("LANE DOWN")
            let reasons = try line.database.query("SELECT alarms FROM tapline.scanner_health")
            #expect(reasons.count == 1 && reasons[0].contains("the gate does not respond since 1"))
            scanner.gate?.kill(SIGCONT)
            try awaitCondition("ok", "DISK")
            scanner.gate?.kill()
            try awaitCondition("LANE DOWN")
            let down = try Run.it("tapline-center", ["status", "--all", "--database-url", line.database.url])
            #expect(down.end == .exit(1))
            #expect(down.lines.contains { $0.contains("LANE DOWN: 1 scanner (main-1)") })
            line.center?.kill()
            try awaitCondition("NO CENTER")
            let stopped = try Run.it("tapline-center", ["status", "--all", "--database-url", line.database.url])
            #expect(stopped.lines.contains { $0.hasPrefix("alarm") && $0.contains("no center is running since") })
            #expect(try line.database.query("SELECT 1 FROM tapline.scanner_health WHERE silent").isEmpty)
        }
    }
}
