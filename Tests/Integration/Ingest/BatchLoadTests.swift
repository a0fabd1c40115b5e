import Crypto
import FileSystem
import Ingest
import LinuxSystem
import Postgres
import ScanBatchCodec
import ScanModel
import TestSupport
import Testing

/// Tests `BatchLoad` and the command `tapline-center load`.
struct BatchLoadTests {
    private let folder = TemporaryFolder("load")
    private let fixture: IngestFixture

    init() throws { fixture = try IngestFixture() }

    /// Writes a batch file under its name into a folder.
    @discardableResult
    private func put(_ batch: ScanBatch, in name: String = "stick") throws -> String {
        let scanner = try #require(ScannerID(batch.scanner))
        let digest = Hex.encode(Array(SHA256.hash(batch.encoded()).prefix(BatchFileName.digestBytes)))
        let file = BatchFileName(scanner: scanner, journalID: batch.journalID, first: batch.first, digest: digest)
        let path = try "\(folder.folder(name))/\(file)"
        try Files.writeAtomically(batch.encoded(), to: path)
        return path
    }

    private func load(_ paths: String...) throws -> (report: BatchLoad.Report, problems: [String]) {
        final class Problems { var lines: [String] = [] }
        let problems = Problems()
        var load = BatchLoad(try fixture.store()) { problems.lines.append($0) }
        for path in paths { try load.load(path) }
        return (load.report, problems.lines)
    }

    private func run(_ paths: String...) throws -> Run {
        try Run.it("tapline-center", ["load", "--database-url", fixture.database.url] + paths)
    }

    @Test func folderIsStoredOnceInAnyOrder() throws {
        let (first, second) = (MadeJournal.admissions("s-1", count: 300), MadeJournal.admissions("s-2", count: 50))
        var third = MadeJournal.admissions("s-1", count: 20)
        third.after = ScanBatch.After(journalID: first.journalID, lastSeq: 300)
        for batch in [first.batch(1, 200), first.batch(151, 150), second.batch(1, 50), third.batch(1, 20)] {
            try put(batch)
        }
        let once = try load(folder.file("stick"))
        #expect(once.problems == [])
        #expect(
            once.report.files == 4 && once.report.stored == 370 && once.report.duplicates == 50
                && once.report.conflicts == 0 && once.report.isComplete)
        let again = try load(folder.file("stick"))
        #expect(again.report.stored == 0 && again.report.duplicates == 420 && again.report.isComplete)
        // A later delivery from the broker is counted as duplicates.
        let outcome = try fixture.store().store([first.batch(101, 200).delivery()])
        #expect(outcome == [.accepted(stored: 0, duplicates: 200, conflicts: 0)])
        try fixture.checkBooks()
        try fixture.checkPresence()
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 370)
        #expect(try fixture.int("SELECT count(*) FROM tapline.seq_gaps") == 0)
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
    }

    @Test func invalidFileIsReportedAndBlocksNoOther() throws {
        let good = MadeJournal.admissions("s-1", count: 30)
        let stick = try folder.folder("stick")
        let whole = good.batch(1, 10).encoded()
        let torn = try put(good.batch(11, 10))
        try Files.writeAtomically(whole.prefix(whole.count / 2), to: torn)
        try Files.writeAtomically([], to: stick + "/empty.batch")
        let large = [UInt8](repeating: 7, count: 3 << 20)
        try Files.writeAtomically(large, to: stick + "/large.batch")
        try Files.makeFolder(stick + "/folder.batch")
        // Not batch files, and not reported.
        try Files.writeAtomically([1], to: stick + "/manifest.json")
        try Files.writeAtomically([1], to: stick + "/._\(BatchFileName.suffix)")
        try put(MadeJournal.admissions("stranger", count: 5).batch(1, 5))
        try put(MadeJournal.admissions("s-off", count: 5).batch(1, 5))
        try put(good.batch(1, 10))
        try put(good.batch(21, 10))
        let (report, problems) = try load(stick, folder.file("missing.batch"), try folder.folder("nothing"))
        #expect(report.stored == 20 && report.duplicates == 0 && report.quarantined == 5 && report.unreadable == 3)
        func line(_ name: String) -> String { problems.first { $0.contains(name) } ?? "not reported: \(problems)" }
        for (name, words) in [
            (torn, "malformed: the bytes do not match the digest"), ("empty.batch", "malformed"),
            ("large.batch", "oversized: 3145728 bytes"),
            ("/stranger-", "unknown-scanner"), ("/s-off-", "disabled-scanner"),
            ("folder.batch", "a folder, not a regular file"),
            ("missing.batch", "No such file"), ("/nothing", "no batch files"),
        ] { #expect(line(name).contains(words), "\(line(name))") }
        #expect(problems.count == 8)
        let rows = try fixture.texts(
            """
            SELECT concat_ws(' ', reason, coalesce(scanner_id, '-'), split_part(routing_key, ' ', 1), size, octet_length(body))
            FROM tapline.quarantine ORDER BY 1
            """)
        let half = whole.count / 2
        let invalid = rows.filter { !$0.hasPrefix("unknown") && !$0.hasPrefix("disabled") }
        #expect(
            invalid == [
                "malformed - file 0 0", "malformed - file \(half) \(half)", "oversized - file \(large.count) 65536",
            ])
        #expect(rows.count == 5)
        // After its cause is corrected, a quarantined file can be stored.
        try fixture.connection.execute("INSERT INTO tapline.scanners (id, enabled) VALUES ('stranger', true)")
        let replay = try Run.it(
            "tapline-center", ["quarantine", "replay", "--scanner", "stranger", "--database-url", fixture.database.url])
        #expect(replay.end == .exit(0), "\(replay.lines) \(replay.errors)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 25)
        try fixture.checkBooks()
    }

    /// The content of a file of this machine must not get into the quarantine, and nothing may wait or read for ever.
    @Test(.timeLimit(.minutes(1))) func onlyRegularFilesAreLoaded() throws {
        let stick = try folder.folder("stick")
        let secret = folder.file("secret")
        try Files.writeAtomically(Array("secret".utf8), to: secret)
        for kind in HostileFile.allCases { try kind.make("\(stick)/\(kind.rawValue).batch", target: secret) }
        try HostileFile.makeSparse(stick + "/sparse.batch")
        try put(MadeJournal.admissions("s-1", count: 5).batch(1, 5))
        let (report, problems) = try load(stick, stick + "/linkToFile.batch")
        let kinds = HostileFile.allCases.count
        #expect(report.stored == 5 && report.quarantined == 0 && report.unreadable == kinds + 2)
        #expect(problems.filter { $0.contains("not a regular file") }.count == kinds + 1)
        #expect(problems.contains { $0.contains("sparse.batch: 107374182400 bytes: this is no batch") }, "\(problems)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.quarantine") == 0)
    }

    @Test func conflictKeepsTheStoredScans() throws {
        let made = MadeJournal.admissions("s-1", count: 20)
        try put(made.batch(1, 20))
        #expect(try load(folder.file("stick")).report.stored == 20)
        var other = made.batch(1, 20)
        (other.verdicts[3], other.verdicts[8]) = (1, 2)
        let path = try put(other, in: "other")
        let (report, problems) = try load(path)
        #expect(report.duplicates == 18 && report.conflicts == 2 && report.quarantined == 1 && !report.isComplete)
        #expect(problems.count == 1 && problems[0].hasPrefix(path))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans WHERE verdict <> 0") == 0)
        #expect(try fixture.texts("SELECT detail FROM tapline.quarantine") == ["journal \(made.journalID) seq 4,9"])
        try fixture.checkBooks()
    }

    /// A flipped bit leaves a valid batch with false contents. The digest in the file name reveals it.
    @Test func alteredFileIsStoredNeitherImmediatelyNorByReplay() throws {
        let made = MadeJournal.admissions("s-1", count: 20)
        let path = try put(made.batch(1, 20))
        var other = made.batch(1, 20)
        other.tags[3] ^= 1 << 40
        try Files.writeAtomically(other.encoded(), to: path)
        #expect(try load(path).problems.first?.contains("file altered") == true)
        let replay = try Run.it(
            "tapline-center", ["quarantine", "replay", "--all", "--database-url", fixture.database.url])
        #expect(replay.end == .exit(1))
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 0)
        // A name without a digest proves nothing, and the batch is stored.
        try Files.rename(path, to: folder.file("given.batch"))
        #expect(try load(folder.file("given.batch")).report.stored == 20)
        // An intact batch of a later format version is kept for a later center.
        let body = made.batch(1, 5).encoded()
        var later = body
        let version = try #require(body.firstRange(of: Array("av".utf8))).upperBound
        later[version] = 2
        let digest = Hex.encode(Array(SHA256.hash(later).prefix(BatchFileName.digestBytes)))
        let file = BatchFileName(scanner: ScannerID("s-1")!, journalID: .random(), first: 1, digest: digest)
        try Files.writeAtomically(later, to: folder.file("\(file)"))
        #expect(try load(folder.file("\(file)")).problems.first?.contains("version: version 2") == true)
        #expect(
            try fixture.texts("SELECT routing_key FROM tapline.quarantine WHERE scanner_id = 's-1'") == ["scan.s-1"])
    }

    /// Transport on a USB stick takes hours. Only a skew of more than five minutes of the device's clock is an alarm.
    @Test func transportTimeOfAFileIsNoClockSkew() throws {
        let made = MadeJournal.admissions("s-1", count: 30)
        let nowMicros = SystemClock.nowMicroseconds()
        _ = try fixture.store().store([
            made.batch(1, 10, sentMicros: nowMicros - 40_000).delivery(receivedMicros: nowMicros)
        ])
        for first in [11, 21] { try put(made.batch(first, 10, sentMicros: nowMicros - 5 * 3_600_000_000)) }
        #expect(try load(folder.file("stick")).report.stored == 20)
        #expect(try fixture.texts("SELECT array_to_string(skews, ',') FROM tapline.journals") == ["40000"])
        // The same holds for a scanner without any other delivery.
        try put(
            MadeJournal.admissions("s-2", count: 5).batch(1, 5, sentMicros: nowMicros - 5 * 3_600_000_000), in: "second"
        )
        _ = try load(folder.file("second"))
        #expect(
            try fixture.int("SELECT count(*) FROM tapline.journals WHERE scanner_id = 's-2' AND clock_skew IS NULL")
                == 1
        )
        #expect(try fixture.int("SELECT count(*) FROM tapline.scanner_health WHERE clock_wrong") == 0)
    }

    @Test func commandReportsTheTotals() throws {
        try put(MadeJournal.admissions("s-1", count: 8).batch(1, 8))
        let good = try run(folder.file("stick"))
        #expect(good.end == .exit(0), "\(good.errors)")
        #expect(
            good.lines == [
                "1 files: 8 scans stored, 0 duplicates, 0 conflicts; 0 files in quarantine, 0 not readable"
            ])
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 8, "the command tracks the scans")
        try Files.writeAtomically([1, 2, 3], to: folder.file("stick/torn.batch"))
        let bad = try run("--output", "json", folder.file("stick"))
        #expect(bad.end == .exit(1))
        #expect(
            bad.lines == [
                #"{"conflicts":0,"duplicates":8,"files":2,"quarantined":1,"stored":0,"unreadable":0}"#
            ])
        #expect(bad.errors.contains("torn.batch"))
        let unreachable = try Run.it(
            "tapline-center", ["load", "--database-url", "postgresql://x@127.0.0.1:1/x", "/dev/null"])
        #expect(unreachable.end == .exit(69))
        #expect(try run().end == .exit(64))
    }

    /// Stored scans that are not tracked are missing in the live views, so the command reports them.
    @Test func commandReportsScansThatAreNotTracked() throws {
        try fixture.connection.execute(
            """
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON tapline_internal.tag_positions EXECUTE FUNCTION fail();
            """)
        try put(MadeJournal.admissions("s-1", count: 8).batch(1, 8))
        let run = try run(folder.file("stick"))
        #expect(run.end == .exit(1))
        #expect(run.lines.first?.contains("8 scans stored") == true)
        #expect(run.errors.contains("not all of them are tracked yet"), "\(run.errors)")
        #expect(run.errors.contains("no room"), "\(run.errors)")
        #expect(try fixture.int("SELECT count(*) FROM tapline.scans") == 8)
        try fixture.connection.execute("DROP TRIGGER fail ON tapline_internal.tag_positions")
        #expect(try self.run(folder.file("stick")).end == .exit(0))
        #expect(try fixture.int("SELECT count(*) FROM tapline.presence") == 8)
    }
}
