public import Scans

/// The name of a batch that is carried by hand: `<scanner>-<journal>-<first>.batch`.
///
/// ASCII without a colon, which any stick takes. The seq of the first scan has ten digits, so that names sort as the scans of
/// a journal do.
public struct BatchFileName: Hashable, Sendable, CustomStringConvertible {
    public static let suffix = ".batch"
    private static let firstDigits = 10
    private static let logCharacters = 36

    public let scanner: ScannerID
    public let log: JournalID
    public let first: Int64

    public init(scanner: ScannerID, log: JournalID, first: Int64) {
        (self.scanner, self.log, self.first) = (scanner, log, first)
    }

    /// Nil for a name of anything else.
    public init?(_ name: some StringProtocol) {
        guard name.hasSuffix(BatchFileName.suffix) else { return nil }
        let stem = name.dropLast(BatchFileName.suffix.count)
        guard let cut = stem.lastIndex(of: "-"), let first = Int64(stem[stem.index(after: cut)...]), first >= 1,
            let log = JournalID(String(stem[..<cut].suffix(BatchFileName.logCharacters))),
            let scanner = ScannerID(stem[..<cut].dropLast(BatchFileName.logCharacters + 1))
        else { return nil }
        self.init(scanner: scanner, log: log, first: first)
        guard description == name else { return nil }
    }

    public var description: String {
        let digits = String(first)
        let zeros = String(repeating: "0", count: max(0, BatchFileName.firstDigits - digits.count))
        return "\(scanner)-\(log)-\(zeros)\(digits)\(BatchFileName.suffix)"
    }
}
