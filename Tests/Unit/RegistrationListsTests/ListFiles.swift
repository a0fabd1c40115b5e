import FileSystem
import ScanModel
import TestSupport
import Testing

@testable import RegistrationLists

/// Writes lists to files and reads them.
final class ListFiles {
    private let folder = TemporaryFolder("lists")
    let key: EventKey

    init() throws { key = try #require(EventKey([UInt8](repeating: 7, count: 32))) }

    func write(_ text: String, _ name: String = "list.csv") throws -> String {
        try Files.writeAtomically(Array(text.utf8), to: folder.file(name), durable: false)
        return folder.file(name)
    }

    /// The rows of a source, its errors as text, and the number of skipped rows.
    struct Found {
        var rows: [RegistrationRow] = []
        var problems: [String] = []
        var skipped = 0
    }

    func read(_ source: some RegistrationSource, passes: Set<String> = []) throws -> Found {
        var found = Found()
        _ = try source.read(passes: passes) { item in
            switch item {
            case .row(let row): found.rows.append(row)
            case .problem(let problem): found.problems.append(problem.description)
            case .skipped: found.skipped += 1
            }
        }
        return found
    }

    func tag(_ code: CodeText) -> TagID { key.tagID(of: .code(code)) }
}
