import Batches
import Scans
import Testing

@Suite struct BatchFileNameTests {
    private let log = JournalID("0f0e0d0c-0b0a-4908-8706-050403020100")!

    @Test func aNameSaysWhatItNamesAndSortsAsItsScans() throws {
        let name = BatchFileName(scanner: try #require(ScannerID("gate-7-in")), log: log, first: 501)
        #expect("\(name)" == "gate-7-in-0f0e0d0c-0b0a-4908-8706-050403020100-0000000501.batch")
        #expect(BatchFileName("\(name)") == name)
        let later = BatchFileName(scanner: name.scanner, log: log, first: 12_345_678_901)
        #expect(BatchFileName("\(later)") == later)
        let names = [1, 9, 10, 500, 4_001, 99_999].map {
            "\(BatchFileName(scanner: name.scanner, log: log, first: Int64($0)))"
        }
        #expect(names.sorted() == names)
        // The longest of all is far below what a FAT takes, and holds nothing that it refuses.
        let longest = BatchFileName(
            scanner: try #require(ScannerID(String(repeating: "z", count: 63))), log: log, first: Bounds.uint)
        #expect("\(longest)".utf8.count < 255 && !"\(longest)".contains(":"))
    }

    @Test(arguments: [
        "", ".batch", "gate-7.batch", "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-1.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000000.batch",
        "Gate-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001.batch",
        "gate-7-0F0E0D0C-0b0a-4908-8706-050403020100-0000000001.batch",
        "-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001.batch",
        "0f0e0d0c-0b0a-4908-8706-050403020100-0000000001.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001.batch.tmp-12",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-+000000001.batch",
    ])
    func anotherNameIsNone(_ text: String) { #expect(BatchFileName(text) == nil) }
}
