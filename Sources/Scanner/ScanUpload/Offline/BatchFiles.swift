import Crypto
import FileSystem
import ScanBatchCodec
import ScanModel

/// The batch files of one scanner in a folder.
struct BatchFiles {
    private let folder: String
    /// Ranges of seqs in the valid files, by journal.
    private var valid: [JournalID: [ClosedRange<Int64>]] = [:]
    /// Files whose content does not match the digest in their name, by journal.
    private var corrupt: [JournalID: [BatchFileName]] = [:]

    /// Reads all files of the scanner.
    ///
    /// Deletes the temporary files of interrupted exports, because no `load` reads them and they take space.
    init(in folder: String, of scanner: ScannerID) {
        self.folder = folder
        for text in (try? Files.list(folder)) ?? [] {
            if BatchFiles.isTemporary(text, of: scanner) { try? Files.remove(folder + "/" + text) }
            guard let name = BatchFileName(text), name.scanner == scanner else { continue }
            if let batch = BatchFiles.read(folder + "/" + text, name) {
                valid[name.journalID, default: []].append(batch.first...batch.last)
            } else {
                corrupt[name.journalID, default: []].append(name)
            }
        }
    }

    /// Returns the file name of an encoded batch with scans.
    static func name(_ body: [UInt8], of batch: ScanBatch, _ scanner: ScannerID) -> BatchFileName {
        let digest = Hex.encode(Array(SHA256.hash(body).prefix(BatchFileName.digestBytes)))
        return BatchFileName(scanner: scanner, journalID: batch.journalID, first: batch.first, digest: digest)
    }

    /// Reads a file. Returns `nil` if its content does not match its name.
    private static func read(_ path: String, _ name: BatchFileName) -> ScanBatch? {
        guard let bytes = try? ForeignFile(path).read(limit: ScanBatch.bodyLimitBytes),
            let batch = try? ScanBatch(decoding: bytes), batch.count > 0,
            BatchFiles.name(bytes, of: batch, name.scanner) == name
        else { return nil }
        return batch
    }

    private static func isTemporary(_ text: String, of scanner: ScannerID) -> Bool {
        guard let mark = text.firstRange(of: "\(BatchFileName.suffix).tmp-") else { return false }
        return BatchFileName(text[..<mark.lowerBound] + BatchFileName.suffix)?.scanner == scanner
    }

    /// Returns the last seq of a valid file that contains `seq`, or `nil` if no file contains it.
    func last(of journal: JournalID, holding seq: Int64) -> Int64? {
        valid[journal]?.first { $0.contains(seq) }?.upperBound
    }

    /// Deletes the corrupt files of a journal that begin with `seq` or later. Other files or the broker have their
    /// scans.
    func removeCorrupt(of journal: JournalID, from seq: Int64) {
        for name in corrupt[journal] ?? [] where name.first >= seq { try? Files.remove("\(folder)/\(name)") }
    }
}
