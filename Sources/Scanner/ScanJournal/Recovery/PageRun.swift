import FileSystem

/// Up to 64 adjacent pages of a database file or of its WAL, read despite bad blocks.
///
/// Source: "Database File Format" (sqlite.org), sections 1.2 and 4.1.
struct PageRun {
    struct Page {
        /// The header of the page's frame in the WAL, 24 bytes. Empty for a page of the database file.
        let frameHeader: ArraySlice<UInt8>
        let bytes: ArraySlice<UInt8>
    }

    private static let pageLimit = 64
    private static let pageBytes = Int(JournalFile.pageBytes)
    private static let walHeaderBytes = 32
    private static let frameHeaderBytes = 24

    private let path: String
    private let offset: Int
    private let frameHeaderBytes: Int

    /// Returns the runs of a database file, then those of its WAL, each in the order of the file.
    ///
    /// A missing file has no runs.
    static func all(of database: String, wal: String) -> [PageRun] {
        [(database, 0, 0), (wal, walHeaderBytes, frameHeaderBytes)].flatMap { path, fileHeaderBytes, frameHeaderBytes in
            stride(
                from: fileHeaderBytes, to: Files.status(path)?.size ?? 0,
                by: pageLimit * (frameHeaderBytes + pageBytes)
            ).map { PageRun(path: path, offset: $0, frameHeaderBytes: frameHeaderBytes) }
        }
    }

    /// Reads the complete pages of the run, in order. The bytes of unreadable blocks are zeros.
    ///
    /// - Throws: `SystemError` when the file cannot be opened.
    func pages() throws -> [Page] {
        let step = frameHeaderBytes + PageRun.pageBytes
        let bytes = try Files.salvage(path, at: offset, count: PageRun.pageLimit * step)
        return stride(from: frameHeaderBytes, through: bytes.count - PageRun.pageBytes, by: step).map { start in
            Page(
                frameHeader: bytes[(start - frameHeaderBytes)..<start], bytes: bytes[start..<start + PageRun.pageBytes])
        }
    }
}
