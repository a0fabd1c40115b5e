import FileSystem
import ScanModel
import TestSupport
import Testing

@testable import RegistrationLists

@Suite struct ScannerCSVTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func refused(_ text: String) throws -> [String] {
        try #require(throws: ImportRejected.self) { _ = try ScannerCSV(try files.write(text)) }.problems
            .map(\.description)
    }

    @Test func rowsNameScannersWithTheirGates() throws {
        let list = try ScannerCSV(try files.write("zone;id;gate\nFestival;gate-1;Main 1\n;gate-2;Main 1\n;gate-3;\n"))
        #expect(
            list.entries.map { "\($0.id)|\($0.gate ?? "-")|\($0.zone ?? "-")" } == [
                "gate-1|Main 1|Festival", "gate-2|Main 1|-", "gate-3|-|-",
            ])
    }

    @Test func invalidRowsAreReportedWithTheirLines() throws {
        let problems = try refused("id,gate,zone\ngate-1,,\nGate 2,,\ngate-1,,\n,Main,Festival\ngate-3,,Festival\n")
        #expect(problems.count == 4)
        for (problem, word) in zip(problems, ["line 3", "line 2 too", "the id is empty", "without the gate"]) {
            #expect(problem.contains(word), "\(problem)")
        }
        #expect(try refused("gate,zone\nMain,Festival\n").first?.contains("column 'id' is missing") == true)
    }
}
