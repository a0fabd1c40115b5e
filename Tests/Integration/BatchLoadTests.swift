import Crypto
import FileSystem
import Glibc
import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// `tapline-center load`, by its parts and as the operator runs it.
struct BatchLoadTests {
    private let folder = TemporaryFolder("load")
    private let fixture: IngestFixture

    init() throws { fixture = try IngestFixture() }

    private func journal(_ scanner: String, _ count: Int, log: JournalID = .random()) -> MadeJournal {
        MadeJournal(
            scanner: scanner, log: log,
            scans: (1...count).map {
                Scan(
                    seq: Int64($0), atMs: IngestFixture.day / 1_000 + Int64($0) * 1_000,
                    tag: TagID(rawValue: Int64($0 % 40 + 1)), verdict: .admitted, flags: [], gate: nil, snapshot: 7)
            })
    }

    /// The batch under its name in a folder of the stick.
    @discardableResult
    private func put(_ batch: ScanBatch, in name: String = "stick") throws -> String {
        let scanner = try #require(ScannerID(batch.scanner))
        let digest = Hex.encode(Array(SHA256.hash(batch.encoded()).prefix(BatchFileName.digestBytes)))
        let file = BatchFileName(scanner: scanner, log: batch.log, first: batch.first, digest: digest)
        let path = try "\(folder.folder(name))/\(file)"
        try Files.writeAtomically(batch.encoded(), to: path)
        return path
    }

    private func load(_ paths: String...) throws -> (report: BatchLoad.Report, told: [String]) {
        final class Told { var lines: [String] = [] }
        let told = Told()
        var load = BatchLoad(try fixture.store()) { told.lines.append($0) }
        for path in paths { try load.take(path) }
        return (load.report, told.lines)
    }

    private func run(_ paths: String...) throws -> Run {
        try Run.it("tapline-center", ["load", "--database-url", fixture.database.url] + paths)
    }

    @Test func aFolderIsStoredOnceInWhateverOrderAndHoweverOften() throws {
        let (first, second) = (journal("s-1", 300), journal("s-2", 50))
        var third = journal("s-1", 20)
        third.after = ScanBatch.After(log: first.log, lastSeq: 300)
        for batch in [first.batch(1, 200), first.batch(151, 150), second.batch(1, 50), third.batch(1, 20)] {
            try put(batch)
        }
        let once = try load(folder.file("stick"))
        #expect(once.told == [])
        #expect(
            once.report.files == 4 && once.report.stored == 370 && once.report.duplicates == 50
                && once.report.conflicts == 0 && once.report.isWhole)
        let again = try load(folder.file("stick"))
        #expect(again.report.stored == 0 && again.report.duplicates == 420 && again.report.isWhole)
        // What the broker brings later is known, and is counted.
        let outcome = try fixture.store().store([first.batch(101, 200).delivery()])
        #expect(outcome == [.taken(stored: 0, duplicates: 200, conflicts: 0)])
        try fixture.checkBooks()
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 370)
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
    }

    @Test func aBadFileIsToldByNameAndKeepsNoOtherFromBeingStored() throws {
        let good = journal("s-1", 30)
        let stick = try folder.folder("stick")
        let whole = good.batch(1, 10).encoded()
        let torn = try put(good.batch(11, 10))
        try Files.writeAtomically(whole.prefix(whole.count / 2), to: torn)
        try Files.writeAtomically([], to: stick + "/empty.batch")
        let large = [UInt8](repeating: 7, count: 3 << 20)
        try Files.writeAtomically(large, to: stick + "/large.batch")
        try Files.makeFolder(stick + "/folder.batch")
        // Not batches, and not spoken of.
        try Files.writeAtomically([1], to: stick + "/manifest.json")
        try Files.writeAtomically([1], to: stick + "/._\(BatchFileName.suffix)")
        try put(journal("stranger", 5).batch(1, 5))
        try put(journal("s-off", 5).batch(1, 5))
        try put(good.batch(1, 10))
        try put(good.batch(21, 10))
        let (report, told) = try load(stick, folder.file("missing.batch"), try folder.folder("nothing"))
        #expect(report.stored == 20 && report.duplicates == 0 && report.quarantined == 5 && report.unreadable == 3)
        func line(_ name: String) -> String { told.first { $0.contains(name) } ?? "not told: \(told)" }
        for (name, words) in [
            (torn, "malformed: other bytes than were written"), ("empty.batch", "malformed"),
            ("large.batch", "oversized: 3145728 bytes"),
            ("/stranger-", "unknown-scanner"), ("/s-off-", "disabled-scanner"), ("folder.batch", "Is a directory"),
            ("missing.batch", "No such file"), ("/nothing", "no batch files in it"),
        ] { #expect(line(name).contains(words), "\(line(name))") }
        #expect(told.count == 8)
        let rows = try fixture.texts(
            """
            SELECT concat_ws(' ', reason, coalesce(scanner_id, '-'), split_part(routing_key, ' ', 1), size, octet_length(body))
            FROM tapline.quarantine ORDER BY 1
            """)
        #expect(
            rows.filter { !$0.hasPrefix("unknown") && !$0.hasPrefix("disabled") } == [
                "malformed - file 0 0", "malformed - file \(whole.count / 2) \(whole.count / 2)",
                "oversized - file \(large.count) 65536",
            ])
        #expect(rows.count == 5)
        // Once its cause is gone, a quarantined file is stored like any other.
        try fixture.connection.execute("INSERT INTO tapline.scanners (id, enabled) VALUES ('stranger', true)")
        let replay = try Run.it(
            "tapline-center", ["quarantine", "replay", "--scanner", "stranger", "--database-url", fixture.database.url])
        #expect(replay.end == .exit(0), "\(replay.lines) \(replay.errors)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 25)
        try fixture.checkBooks()
    }

    @Test func aConflictKeepsWhatIsStored() throws {
        let made = journal("s-1", 20)
        try put(made.batch(1, 20))
        #expect(try load(folder.file("stick")).report.stored == 20)
        var other = made.batch(1, 20)
        (other.verdicts[3], other.verdicts[8]) = (1, 2)
        let path = try put(other, in: "other")
        let (report, told) = try load(path)
        #expect(report.duplicates == 18 && report.conflicts == 2 && report.quarantined == 1 && !report.isWhole)
        #expect(told.count == 1 && told[0].hasPrefix(path))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans WHERE verdict <> 0") == 0)
        #expect(try fixture.texts("SELECT detail FROM tapline.quarantine") == ["journal \(made.log) seq 4,9"])
        try fixture.checkBooks()
    }

    /// A stick that has turned a bit: it is still a batch, and what it says was never so.
    @Test func whatWasAlteredOnItsWayIsNotStoredAndNotByAReplay() throws {
        let made = journal("s-1", 20)
        let path = try put(made.batch(1, 20))
        var other = made.batch(1, 20)
        other.tags[3] ^= 1 << 40
        try Files.writeAtomically(other.encoded(), to: path)
        #expect(try load(path).told.first?.contains("altered on its way") == true)
        let replay = try Run.it(
            "tapline-center", ["quarantine", "replay", "--all", "--database-url", fixture.database.url])
        #expect(replay.end == .exit(1))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 0)
        // Under another name it is whoever's who gives it.
        try Files.rename(path, to: folder.file("given.batch"))
        #expect(try load(folder.file("given.batch")).report.stored == 20)
        // A later version of the batch, whole: for the center that will know it.
        let body = made.batch(1, 5).encoded()
        var later = body
        let version = try #require(body.firstRange(of: Array("av".utf8))).upperBound
        later[version] = 2
        let digest = Hex.encode(Array(SHA256.hash(later).prefix(BatchFileName.digestBytes)))
        let file = BatchFileName(scanner: ScannerID("s-1")!, log: .random(), first: 1, digest: digest)
        try Files.writeAtomically(later, to: folder.file("\(file)"))
        #expect(try load(folder.file("\(file)")).told.first?.contains("version: version 2") == true)
        #expect(
            try fixture.texts("SELECT routing_key FROM tapline.quarantine WHERE scanner_id = 's-1'") == ["scan.s-1"])
    }

    /// A stick takes hours: that says nothing of the device's clock, which raises an alarm beyond five minutes.
    @Test func theRunnersWayIsNoClockError() throws {
        let made = journal("s-1", 30)
        let nowMicros = SystemClock.nowMicroseconds()
        _ = try fixture.store().store([
            made.batch(1, 10, sentMicros: nowMicros - 40_000).delivery(receivedMicros: nowMicros)
        ])
        for first in [11, 21] { try put(made.batch(first, 10, sentMicros: nowMicros - 5 * 3_600_000_000)) }
        #expect(try load(folder.file("stick")).report.stored == 20)
        #expect(try fixture.texts("SELECT array_to_string(skews, ',') FROM tapline.journals") == ["40000"])
        // Nor is it one where nothing else was ever heard.
        try put(journal("s-2", 5).batch(1, 5, sentMicros: nowMicros - 5 * 3_600_000_000), in: "second")
        _ = try load(folder.file("second"))
        #expect(
            try fixture.int("SELECT count(*) FROM tapline.journals WHERE scanner_id = 's-2' AND clock_skew IS NULL")
                == 1
        )
        #expect(try fixture.int("SELECT count(*) FROM tapline.scanner_health WHERE clock_wrong") == 0)
    }

    @Test func theCommandSaysWhatItDid() throws {
        try put(journal("s-1", 8).batch(1, 8))
        let good = try run(folder.file("stick"))
        #expect(good.end == .exit(0), "\(good.errors)")
        #expect(
            good.lines == [
                "1 files: 8 scans stored, 0 duplicates, 0 conflicts; 0 files in quarantine, 0 not readable"
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 8, "it tracks by itself")
        try Files.writeAtomically([1, 2, 3], to: folder.file("stick/torn.batch"))
        let bad = try run("--output", "json", folder.file("stick"))
        #expect(bad.end == .exit(1))
        #expect(
            bad.lines == [
                #"{"conflicts":0,"duplicates":8,"files":2,"quarantined":1,"stored":0,"unreadable":0}"#
            ])
        #expect(bad.errors.contains("torn.batch"))
        let away = try Run.it(
            "tapline-center", ["load", "--database-url", "postgresql://x@127.0.0.1:1/x", "/dev/null"])
        #expect(away.end == .exit(69))
        #expect(try run().end == .exit(64))
    }

    /// Stored is stored, but who looks for it in the live views must know.
    @Test func whatCouldNotBeTrackedIsSaid() throws {
        try fixture.connection.execute(
            """
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON tapline.presence EXECUTE FUNCTION fail();
            """)
        try put(journal("s-1", 8).batch(1, 8))
        let run = try run(folder.file("stick"))
        #expect(run.end == .exit(1))
        #expect(run.lines.first?.contains("8 scans stored") == true)
        #expect(run.errors.contains("not all of them are tracked yet") && run.errors.contains("no room"), "\(run.errors)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 8)
        try fixture.connection.execute("DROP TRIGGER fail ON tapline.presence")
        #expect(try self.run(folder.file("stick")).end == .exit(0))
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 8)
    }
}
