import ScanBatchCodec
import ScanModel
import Testing

@Suite struct BatchFileNameTests {
    private let log = JournalID("0f0e0d0c-0b0a-4908-8706-050403020100")!
    private let digest = "00c0ffee00c0ffee"

    private func name(_ scanner: String = "gate-7-in", first: Int64) throws -> BatchFileName {
        BatchFileName(scanner: try #require(ScannerID(scanner)), journalID: log, first: first, digest: digest)
    }

    @Test func fileNamesRoundTripAndSortByScan() throws {
        let name = try name(first: 501)
        #expect("\(name)" == "gate-7-in-0f0e0d0c-0b0a-4908-8706-050403020100-0000000501-00c0ffee00c0ffee.batch")
        #expect(BatchFileName("\(name)") == name)
        let later = try self.name(first: 12_345_678_901)
        #expect(BatchFileName("\(later)") == later)
        let names = try [1, 9, 10, 500, 4_001, 99_999].map { "\(try self.name(first: Int64($0)))" }
        #expect(names.sorted() == names)
        // The longest name is within the limits of FAT and has no character that FAT forbids.
        let longest = try self.name(String(repeating: "z", count: 63), first: Bounds.uint)
        #expect("\(longest)".utf8.count < 255 && !"\(longest)".contains(":"))
    }

    @Test(arguments: [
        "", ".batch", "gate-7.batch", "-.batch", "--.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-1-00c0ffee00c0ffee.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000000-00c0ffee00c0ffee.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-+000000001-00c0ffee00c0ffee.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffe.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00C0ffee00c0ffee.batch",
        "Gate-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffee.batch",
        "gate-7-0F0E0D0C-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffee.batch",
        "-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffee.batch",
        "0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffee.batch",
        "gate-7-0f0e0d0c-0b0a-4908-8706-050403020100-0000000001-00c0ffee00c0ffee.batch.tmp-12",
    ])
    func otherNamesAreRejected(_ text: String) { #expect(BatchFileName(text) == nil) }
}
