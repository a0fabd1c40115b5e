import FileSystem
import FoundationEssentials
import ScanJournal
import ScanModel
import TestSupport
import Testing

/// `tapline-gate recover` as an operator runs it.
@Suite struct RecoverTests {
    private struct Report: Decodable {
        let files: [String]
        let journals, scans, missing, orphans: Int
    }

    private let folder = TemporaryFolder("recover")
    private var data: String { folder.file("data") }

    /// Runs a gate on these taps, with the settings of the enrolment file.
    private func gate(_ taps: ClosedRange<Int>) throws {
        try Run.succeeding(
            "tapline-gate",
            ["run", "--enrolment", folder.file("scanner.env"), "--reader", "stdin", "--output", "json"],
            input: taps.map { "04aabb\(100_000 + $0),out\n" }.joined())
    }

    private func scans(_ folder: String) throws -> [JournalID: [Scan]] {
        let reader = JournalReader(folder: folder)
        return try Dictionary(
            uniqueKeysWithValues: reader.journals().map {
                ($0.journalID, try reader.read(journal: $0.id, after: 0, limit: 100_000))
            })
    }

    @Test func damagedJournalIsRecoveredWithEnrolmentFile() throws {
        try Files.writeAtomically(
            Array(
                """
                TAPLINE_SCANNER=north
                TAPLINE_EVENT_KEY=\(String(repeating: "5a0f", count: 16))
                TAPLINE_DATA=\(data)

                """.utf8), to: folder.file("scanner.env"), mode: 0o600)
        try gate(1...700)
        try gate(701...900)
        let journaled = try scans(data)
        #expect(journaled.values.map(\.count).sorted() == [200, 700])
        let recover = ["recover", "--enrolment", folder.file("scanner.env"), "--output", "json"]
        #expect(try Run.it("tapline-gate", recover).end == .exit(1), "no journal is damaged")

        let journal = data + "/journal.sqlite"
        // The header of the file, and the header of the WAL, which could repair the file.
        for path in [journal, journal + "-wal"] {
            var bytes = try Files.read(path)
            for index in 0..<24 { bytes[index] = 0x5a }
            try Files.writeAtomically(bytes, to: path)
        }
        // The gate moves the damaged file away and starts a new journal.
        try gate(901...910)
        let status = try Run.reporting("tapline-gate", ["status", "--enrolment", folder.file("scanner.env")])
        #expect(status.lines.joined().contains("journal.sqlite.damaged-"))

        let run = try Run.succeeding("tapline-gate", recover)
        let report = try JSONDecoder().decode(Report.self, from: Data(run.lines.joined(separator: "\n").utf8))
        #expect(report.files.count == 1 && report.journals == 2 && report.scans == 900)
        #expect(report.missing == 0 && report.orphans == 0)
        #expect(try scans(data + "/recovered") == journaled)
        // A second recovery does not write into the existing folder.
        #expect(try Run.it("tapline-gate", recover).end == .exit(1))
        #expect(try Run.it("tapline-gate", ["recover", "--data", data, "--scanner", "No!"]).end == .exit(78))
    }
}
