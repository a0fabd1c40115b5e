import FileSystem
import FoundationEssentials
import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

/// The four ways of docs/operating/offline-delivery.md, with the real programs on real servers.
@Suite struct OfflineDeliveryTests {
    private struct Exported: Decodable { let written, kept, scans, keptScans: Int }
    private struct Delivered: Decodable {
        let scanner: String
        let scans, missing: Int
        let recovered: [String]
    }
    private struct Loaded: Decodable { let files, stored, duplicates, conflicts, quarantined, unreadable: Int }

    private static let people = 30

    private func uid(_ number: Int) -> String { "04aabbccdd\(number / 100)\(number / 10 % 10)\(number % 10)0" }

    /// Prepares an event, and installs its snapshot on a device from a USB stick. Neither center nor publisher runs.
    private func begin() throws -> (line: SystemUnderTest, scanner: Scanner, vhost: TestVhost) {
        let vhost = try TestVhost()
        let line = try SystemUnderTest(databaseURL: try TestServers.databaseURL(), amqpURL: vhost.url)
        let scanner = try line.enrol("main-1", gate: "Main", zone: "Hall")
        let rows = (0..<OfflineDeliveryTests.people).map { "\(uid($0)),Person \($0),guest,Hall" }
        try line.importing((["uid,name,category,zones"] + rows).joined(separator: "\n") + "\n")
        try line.export()
        let stick = try line.folder.folder("list")
        for name in try Files.list(line.snapshots) where name.hasPrefix("manifest.json") || name.hasSuffix(".gz") {
            try Files.copy(line.snapshots + "/" + name, to: stick + "/" + name)
        }
        try Run.succeeding(
            "tapline-publisher",
            ["fetch", "--data", scanner.data, "--from", stick, "--trust-key", line.trustKeyFile])
        return (line, scanner, vhost)
    }

    /// Taps and waits for the verdicts. When this returns, every tap is in the journal.
    private func tap(_ scanner: Scanner, _ numbers: Range<Int>, direction: String = "in") throws {
        let before = try scanner.printed().count
        try scanner.gate?.write(numbers.map { "\(uid($0)),\(direction)\n" }.joined())
        try awaitCount("verdicts", before + numbers.count) { try scanner.printed().count }
    }

    private func publisher(_ scanner: Scanner, _ words: String...) throws -> Run {
        try Run.it("tapline-publisher", words + ["--output", "json"])
    }

    private func decoded<Result: Decodable>(_ run: Run, _ type: Result.Type) throws -> Result {
        guard run.end == .exit(0) else { throw TestFailure("\(run.end): \(run.lines) \(run.errors)") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(run.lines.joined().utf8))
    }

    private func load(_ line: SystemUnderTest, _ folder: String) throws -> Loaded {
        try decoded(line.administer("load", folder, "--output", "json"), Loaded.self)
    }

    private func sum(_ line: SystemUnderTest, _ column: String) throws -> Int {
        try line.database.number("SELECT coalesce(sum(\(column)), 0) FROM tapline.journals")
    }

    @Test func offlineDeliveryAndLaterUploadStoreEachScanOnce() async throws {
        try await NamedThread.run("stick") {
            let (line, scanner, vhost) = try begin()
            defer { withExtendedLifetime(vhost) {} }
            let stick = line.folder.file("stick")
            try scanner.startGate()
            try tap(scanner, 0..<20)
            // Unregistered tags: the gate decides by the snapshot from the stick.
            try tap(scanner, 100..<105)
            let verdicts = Set(try scanner.printed().map(\.name))
            #expect(verdicts == ["admitted", "unknown"])
            func export() throws -> Exported {
                try decoded(publisher(scanner, "export", "--data", scanner.data, "--out", stick), Exported.self)
            }
            let journaled = try scanner.journaled()
            #expect(try export().scans == journaled)
            #expect(try load(line, stick).stored == journaled)
            #expect(try line.stored() == journaled)
            #expect(try line.database.number("SELECT count(*) FROM tapline.presence") == 20)

            // A second export to the same stick adds only the new scans.
            try tap(scanner, 0..<10, direction: "out")
            let second = try export()
            #expect(second.scans == 10 && second.kept >= 1 && second.keptScans == journaled)
            let loaded = try load(line, stick)
            #expect(loaded.stored == 10 && loaded.duplicates == journaled && loaded.conflicts == 0)
            #expect(try sum(line, "received") == 2 * journaled + 10)

            // The network is available again, and the publisher uploads everything once more.
            try line.startCenter()
            try scanner.startPublisher()
            try awaitCount("received scans", 3 * journaled + 20) { try sum(line, "received") }
            try line.awaitAllStored()
            #expect(try sum(line, "stored") == journaled + 10)
            #expect(try sum(line, "duplicates") >= 2 * journaled + 10)
            #expect(try line.checkExactlyOnce() == [])
            #expect(try line.database.query("SELECT 1 FROM tapline.scanner_health WHERE clock_wrong") == [])
            // Scans that the broker has confirmed are not exported again.
            try eventually("the upload cursor is on the disk") {
                try decoded(
                    publisher(scanner, "export", "--data", scanner.data, "--out", line.folder.file("empty")),
                    Exported.self
                ).scans == 0
            }
        }
    }

    @Test func dataFolderOnReadOnlyCardIsShipped() async throws {
        try await NamedThread.run("lost device") {
            let (line, scanner, vhost) = try begin()
            defer { withExtendedLifetime(vhost) {} }
            try line.startCenter()
            try line.awaitCenter()
            try scanner.startGate()
            try scanner.startPublisher()
            try tap(scanner, 0..<10)
            try line.awaitAllStored()
            try eventually("the upload cursor is on the disk") {
                let run = try publisher(scanner, "status", "--data", scanner.data)
                return run.lines.joined().contains(#""backlog":0"#)
            }
            scanner.publisher?.kill()
            try tap(scanner, 10..<30)
            scanner.gate?.kill()

            // The write-protected card of the device, in another machine. The -shm file is not on the card.
            let disk = try SmallDisk(.tmpfs, megabytes: 32)
            let card = disk.path + "/data"
            try Files.makeFolder(card)
            for name in try Files.list(scanner.data) where !name.hasSuffix("-shm") && name != "snapshots" {
                if name.hasSuffix(".sock") { continue }
                try Files.copy(scanner.data + "/" + name, to: card + "/" + name)
            }
            try Run.succeeding("mount", ["-o", "remount,ro", disk.path])
            func ship(_ words: String...) throws -> Run {
                try Run.it("tapline-publisher", ["ship", "--data", card, "--output", "json"] + words)
            }
            let away = try ship("--amqp-url", "amqp://127.0.0.1:1/", "--give-up-s", "1")
            #expect(away.end == .exit(69) && away.errors.contains("0 of 20 scans"), "\(away.errors)")
            let report = try decoded(ship("--amqp-url", line.amqpURL), Delivered.self)
            #expect(report.scanner == "main-1" && report.scans == 20 && report.recovered == [])
            try line.awaitAllStored()
            #expect(try line.checkExactlyOnce() == [])
            // Scans can be shipped again, because the center detects duplicates.
            #expect(try decoded(ship("--amqp-url", line.amqpURL), Delivered.self).scans == 20)
            let journaled = try scanner.journaled()
            #expect(try decoded(ship("--amqp-url", line.amqpURL, "--all"), Delivered.self).scans == journaled)
            try awaitCount("received scans", 2 * journaled + 20) { try sum(line, "received") }
            #expect(try line.checkExactlyOnce() == [])
            #expect(try ship("--amqp-url", line.amqpURL, "--scanner", "No!").end == .exit(78))
        }
    }

    @Test func damagedJournalIsRecoveredAndShipped() async throws {
        try await NamedThread.run("damaged card") {
            let (line, scanner, vhost) = try begin()
            defer { withExtendedLifetime(vhost) {} }
            try line.startCenter()
            try line.awaitCenter()
            try scanner.startGate()
            let everyone = 0..<OfflineDeliveryTests.people
            for round in 0..<10 { try tap(scanner, everyone, direction: round % 2 == 0 ? "in" : "out") }
            scanner.gate?.kill()
            let journaled = try scanner.journaled()
            let card = try line.folder.folder("card")
            for name in ["journal.sqlite", "journal.sqlite-wal"] {
                var bytes = try Files.read(scanner.data + "/" + name)
                for index in 0..<24 { bytes[index] = 0x5a }
                try Files.writeAtomically(bytes, to: card + "/" + name)
            }
            let run = try Run.it(
                "tapline-publisher", ["ship", "--data", card, "--amqp-url", line.amqpURL, "--output", "json"])
            let report = try decoded(run, Delivered.self)
            #expect(report.recovered.count == 1 && report.scans == journaled && report.missing == 0)
            try line.awaitAllStored()
            #expect(try line.checkExactlyOnce() == [])
        }
    }

    @Test func resendStoresScansMissingAfterRestore() async throws {
        try await NamedThread.run("restore") {
            let (line, scanner, vhost) = try begin()
            defer { withExtendedLifetime(vhost) {} }
            try line.startCenter()
            try scanner.startGate()
            try scanner.startPublisher()
            try tap(scanner, 0..<10)
            try line.awaitAllStored()
            let backup = line.folder.file("backup.sql")
            try Run.succeeding("pg_dump", ["-f", backup, line.database.url])
            let backedUp = UTCTime.text(microseconds: SystemClock.nowMicroseconds())
            try tap(scanner, 10..<30)
            try line.awaitAllStored()
            let journaled = try scanner.journaled()

            line.center?.kill()
            let administrator = try TestServers.databaseURL()
            for sql in ["DROP DATABASE \"NAME\" WITH (FORCE)", "CREATE DATABASE \"NAME\""] {
                try Psql.run(administrator, sql.replacing("NAME", with: line.database.name))
            }
            try Run.succeeding("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", backup, line.database.url])
            #expect(try line.stored() == journaled - 20)
            try line.startCenter()
            try line.awaitCenter()
            // The publisher continues at its cursor, and the center detects the missing scans.
            try tap(scanner, 0..<5, direction: "out")
            try eventually("the gap is detected") {
                try line.database.number("SELECT coalesce(sum(missing), 0) FROM tapline.seq_gaps") == 20
            }
            let run = try publisher(
                scanner, "resend", "--data", scanner.data, "--amqp-url", line.amqpURL, "--since", backedUp)
            let report = try decoded(run, Delivered.self)
            #expect(report.scans == 25 && report.missing == 0)
            try line.awaitAllStored()
            #expect(try line.checkExactlyOnce() == [])
            // The running publisher continues at its cursor.
            try tap(scanner, 5..<10, direction: "out")
            try line.awaitAllStored()
            #expect(scanner.publisher?.end == nil)
            #expect(try line.checkExactlyOnce() == [])
        }
    }
}
