package import ScanModel

/// Name of a batch file for offline delivery: `<scanner>-<journal>-<first>-<digest>.batch`.
///
/// ASCII without a colon, which every file system of a USB stick accepts. The seq of the first scan has ten digits, so
/// that names sort in journal order. The digest detects corruption on the USB stick, which can leave a well-formed
/// batch.
package struct BatchFileName: Hashable, Sendable, CustomStringConvertible {
    /// The end of every name.
    package static let suffix = ".batch"
    /// Number of leading bytes of the body's SHA-256 that the name contains, in hex.
    package static let digestBytes = 8
    private static let firstDigits = 10
    private static let journalIDCharacters = 36

    /// The scanner that made the scans.
    package let scanner: ScannerID
    /// ID of the journal that the scans come from.
    package let journalID: JournalID
    /// Seq of the first scan.
    package let first: Int64
    /// Leading bytes of the body's SHA-256, in lower-case hex.
    package let digest: String

    /// Creates a name from valid parts. `digest` must have `2 * digestBytes` hex digits.
    package init(scanner: ScannerID, journalID: JournalID, first: Int64, digest: String) {
        self.scanner = scanner
        self.journalID = journalID
        self.first = first
        self.digest = digest
    }

    /// Parses a file name; `nil` for any other name.
    package init?(_ name: some StringProtocol) {
        guard name.hasSuffix(BatchFileName.suffix) else { return nil }
        let parts = name.dropLast(BatchFileName.suffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 3, let digest = parts.last, digest.utf8.count == 2 * BatchFileName.digestBytes,
            digest.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
            let first = Int64(parts[parts.count - 2]), first >= 1
        else { return nil }
        let owner = parts.dropLast(2).joined(separator: "-")
        guard let journalID = JournalID(String(owner.suffix(BatchFileName.journalIDCharacters))),
            let scanner = ScannerID(owner.dropLast(BatchFileName.journalIDCharacters + 1))
        else { return nil }
        self.init(scanner: scanner, journalID: journalID, first: first, digest: String(digest))
        guard description == name else { return nil }
    }

    /// The file name, without a folder.
    package var description: String {
        let digits = String(first)
        let zeros = String(repeating: "0", count: max(0, BatchFileName.firstDigits - digits.count))
        return "\(scanner)-\(journalID)-\(zeros)\(digits)-\(digest)\(BatchFileName.suffix)"
    }
}
