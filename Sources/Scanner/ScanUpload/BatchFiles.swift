import Crypto
import FileSystem
import ScanBatchCodec
import ScanModel

/// The batch files of one scanner that a folder holds already.
struct BatchFiles {
    private let folder: String
    /// Whole files, by journal.
    private var whole: [JournalID: [ClosedRange<Int64>]] = [:]
    /// Files whose bytes are not those that were written, by journal.
    private var altered: [JournalID: [BatchFileName]] = [:]

    /// Reads them all. What an export left that was killed goes: nobody would load it, and it takes room.
    init(in folder: String, of scanner: ScannerID) {
        self.folder = folder
        for text in (try? Files.list(folder)) ?? [] {
            if BatchFiles.isLeftover(text, of: scanner) { try? Files.remove(folder + "/" + text) }
            guard let name = BatchFileName(text), name.scanner == scanner else { continue }
            if let batch = BatchFiles.read(folder + "/" + text, name) {
                whole[name.log, default: []].append(batch.first...batch.last)
            } else {
                altered[name.log, default: []].append(name)
            }
        }
    }

    /// The name of a body that holds scans.
    static func name(_ body: [UInt8], of batch: ScanBatch, _ scanner: ScannerID) -> BatchFileName {
        let digest = Hex.encode(Array(SHA256.hash(body).prefix(BatchFileName.digestBytes)))
        return BatchFileName(scanner: scanner, log: batch.log, first: batch.first, digest: digest)
    }

    /// Nil unless the bytes are those that the name promises.
    private static func read(_ path: String, _ name: BatchFileName) -> ScanBatch? {
        guard let bytes = try? Files.read(path, limit: ScanBatch.bodyLimitBytes),
            let batch = try? ScanBatch(decoding: bytes), batch.count > 0,
            BatchFiles.name(bytes, of: batch, name.scanner) == name
        else { return nil }
        return batch
    }

    private static func isLeftover(_ text: String, of scanner: ScannerID) -> Bool {
        guard let mark = text.firstRange(of: "\(BatchFileName.suffix).tmp-") else { return false }
        return BatchFileName(text[..<mark.lowerBound] + BatchFileName.suffix)?.scanner == scanner
    }

    /// The last seq of a file that holds this one; nil: there is none.
    func last(of log: JournalID, holding seq: Int64) -> Int64? {
        whole[log]?.first { $0.contains(seq) }?.upperBound
    }

    /// Removes the altered files of a journal that begin with this seq or a later one: their scans are in other files now, or at
    /// the broker.
    func removeAltered(of log: JournalID, from seq: Int64) {
        for name in altered[log] ?? [] where name.first >= seq { try? Files.remove("\(folder)/\(name)") }
    }
}
