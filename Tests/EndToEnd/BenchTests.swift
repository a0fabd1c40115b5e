import LinuxSystem
import Runtime
import TestSupport
import Testing

/// The batches of the center's benchmarks are valid, and repeated batches are the same.
@Suite struct BenchTests {
    @Test func repeatedBatchesAreCountedAsDuplicates() async throws {
        try await NamedThread.run("bench publish") {
            let vhost = try TestVhost()
            let line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
            for id in ["fleet-0001", "fleet-0002", "live-0001"] {
                try line.administer("scanner", "add", id, "--gate", "Main", "--zone", "Hall")
            }
            try line.startCenter()
            try line.awaitCenter()

            try publish(line, "--scanners", "2", "--batch", "50", "--scans", "400")
            try awaitReceived(line, 400)
            try publish(
                line, "--scanners", "2", "--batch", "50", "--scans", "800", "--delivered", "4", "--repeat", "50")
            try awaitReceived(line, 1_200)
            #expect(
                try line.database.query(
                    "SELECT scanner_id, stored, duplicates, conflicts, next_seq FROM tapline.journals ORDER BY 1")
                    == ["fleet-0001|400|200|0|401", "fleet-0002|400|200|0|401"])

            // Each line has the tag of a marker and the time of its publish.
            let output = try publish(
                line, "--prefix", "live", "--scanners", "1", "--batch", "5", "--scans", "50", "--rate", "500")
            let markers = output.compactMap { $0.split(separator: " ").first.map(String.init) }
            #expect(Set(markers).count == 10)
            try awaitReceived(line, 1_250)
            let presence = "SELECT count(*) FROM tapline.presence WHERE tag_id IN (\(markers.joined(separator: ",")))"
            try eventually("the markers are in presence") { try line.database.number(presence) == 10 }
            let scans = "SELECT count(*) FROM tapline.scans WHERE tag_id IN (\(markers.joined(separator: ",")))"
            #expect(try line.database.number(scans) == 10)

            let tags = try Run.succeeding("tapline-fleet", ["bench", "tags", "--attendees", "30", "--more", "10"]).lines
            let others = "SELECT count(*) FROM tapline.scans WHERE tag_id NOT IN (\(tags.joined(separator: ",")))"
            #expect(try line.database.number(others) == 0)
            #expect(tags.count == 40 && Array(tags.suffix(10)) == markers)
        }
    }

    @Test func heldFleetPublishesAfterLineOfInput() async throws {
        try await NamedThread.run("held fleet") {
            let vhost = try TestVhost()
            let line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
            for id in ["fleet-0001", "fleet-0002"] {
                try line.administer("scanner", "add", id, "--gate", "Main", "--zone", "Hall")
            }
            try line.startCenter()
            try line.awaitCenter()
            let fleet = try ChildProcess(
                Package.program("tapline-fleet"),
                [
                    "run", "--scanners", "2", "--scans", "60", "--batch-scans", "10", "--hold", "--amqp-url",
                    vhost.url,
                ], errors: line.folder.file("fleet.log"))
            #expect(try fleet.line() == "filled")
            let startMs = SystemClock.nowMicroseconds() / 1_000
            #expect(try line.database.number("SELECT count(*) FROM tapline.journals") == 0)
            try fleet.write("\n")
            let summary = try fleet.line() ?? ""
            #expect(summary.contains(#""batches":6,"#) && summary.contains(#""complete":true"#), "\(summary)")
            let startedMs = Int64(
                summary.split(separator: #""startedMs":"#).last?.prefix { $0.isNumber } ?? "")
            #expect((startMs...startMs + Int64(waitLimitMs)).contains(startedMs ?? 0))
            #expect(try fleet.wait() == .exit(0))
            try awaitReceived(line, 60)
        }
    }

    @discardableResult
    private func publish(_ line: SystemUnderTest, _ words: String...) throws -> [String] {
        try Run.succeeding(
            "tapline-fleet", ["bench", "publish", "--amqp-url", line.amqpURL, "--attendees", "30"] + words
        ).lines
    }

    private func awaitReceived(_ line: SystemUnderTest, _ scans: Int) throws {
        let received = "SELECT coalesce(sum(received), 0) FROM tapline.journals"
        try awaitCount("received scans", scans) { try line.database.number(received) }
        #expect(try line.database.number(received) == scans)
    }
}
