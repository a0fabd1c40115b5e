internal import Batches
internal import Runtime
internal import Scans

/// The batch files of one scanner that a folder holds already.
struct BatchFiles {
    private struct File {
        let path: String
        let seqs: ClosedRange<Int64>
    }

    /// By journal, in order of their first seq.
    private var files: [JournalID: [File]] = [:]

    /// What is not whole, or is not what its name says, is no such file.
    init(in folder: String, of scanner: ScannerID) {
        for text in (try? Files.list(folder)) ?? [] {
            if BatchFiles.isLeftover(text, of: scanner) { try? Files.remove(folder + "/" + text) }
            guard let name = BatchFileName(text), name.scanner == scanner else { continue }
            let path = folder + "/" + text
            guard let batch = BatchFiles.read(path), batch.count > 0, batch.scanner == scanner.text,
                batch.log == name.log, batch.first == name.first
            else { continue }
            files[name.log, default: []].append(File(path: path, seqs: batch.first...batch.last))
        }
    }

    /// What an export that was killed had under its pen.
    private static func isLeftover(_ text: String, of scanner: ScannerID) -> Bool {
        guard let mark = text.firstRange(of: "\(BatchFileName.suffix).tmp-") else { return false }
        return BatchFileName(text[..<mark.lowerBound] + BatchFileName.suffix)?.scanner == scanner
    }

    private static func read(_ path: String) -> ScanBatch? {
        guard let bytes = try? Files.read(path, limit: ScanBatch.bodyLimitBytes) else { return nil }
        return try? ScanBatch(decoding: bytes)
    }

    /// The last seq of a file that holds this one, and says of all its scans what the journal says; nil: there is none.
    ///
    /// - Parameter journal: scans of the journal from a seq on, so many at the most.
    func last(
        of log: JournalID, holding seq: Int64, journal: (Int64, Int) throws -> [Scan]
    ) rethrows -> Int64? {
        for file in files[log] ?? [] where file.seqs.contains(seq) {
            guard let batch = BatchFiles.read(file.path), batch.first...batch.last == file.seqs else { continue }
            // A sector of a stick may have come back as another.
            let scans = try journal(batch.first, batch.count)
            if scans.count == batch.count, scans.indices.allSatisfy({ scans[$0] == batch[$0] }) { return batch.last }
        }
        return nil
    }
}
