import FuzzDriver

@testable import RegistrationLists

/// Registration lists as CSV. The records do not depend on the pieces in which a file arrives.
@main enum FuzzCSV {
    static func main() {
        fuzz { bytes in
            var input = FuzzInput(bytes)
            let pieceBytes = Int(input.byte()) + 1
            let file = input.all()
            // A guess of the format sees the first piece only, so it may differ.
            guard let whole = read(file, file.count + 1), let pieces = read(file, pieceBytes) else { return }
            precondition(whole == pieces, "\(whole) instead of \(pieces)")
        }
    }

    /// Returns each record and each problem as text; `nil` if the file is in another format.
    private static func read(_ file: [UInt8], _ pieceBytes: Int) -> [String]? {
        var reader = CSVReader()
        var found: [String] = []
        let note = { (item: CSVReader.Item) in
            switch item {
            case .record(let record): found.append("\(record.line) \(record.cells)")
            case .problem(let problem): found.append("\(problem)")
            }
        }
        do {
            var rest = file[...]
            while !rest.isEmpty {
                try reader.read(rest.prefix(pieceBytes), note)
                rest = rest.dropFirst(pieceBytes)
            }
            try reader.finish(note)
        } catch { return nil }
        return found
    }
}
