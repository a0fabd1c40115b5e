import ErrorModel
import TestSupport
import Testing

@testable import RegistrationLists

@Suite struct CSVReaderTests {
    /// Returns each record as `line: cells`, with `-` for an empty cell, and each error as text.
    private func read(_ text: String, pieces of: Int = .max) throws -> [String] { try read(Array(text.utf8), of) }

    private func read(_ bytes: [UInt8], _ pieceBytes: Int = .max) throws -> [String] {
        var reader = CSVReader()
        var found: [String] = []
        let note = { (item: CSVReader.Item) in
            switch item {
            case .record(let record):
                found.append("\(record.line): " + record.cells.map { $0 ?? "-" }.joined(separator: "|"))
            case .problem(let problem): found.append("\(problem)")
            }
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            try reader.read(rest.prefix(pieceBytes), note)
            rest = rest.dropFirst(pieceBytes)
        }
        try reader.finish(note)
        return found
    }

    /// All variants of quotes, line breaks and blanks, and the expected records.
    private static let text = [
        "name,code\r\n", #""Doe, ""Jane""",1"#, "\r\n\r\n  Ann ,\t2\t\n", "\"two\r\nlines\nand more\",3\r", #""","#,
        "\n,,\n",
        #" Zoë,"4""#, "\n\"tail\r\"\n", #"last,"5""#,
    ].joined()
    private static let records = [
        "1: name|code", #"2: Doe, "Jane"|1"#, "4: Ann|2", "5: two\r\nlines\nand more|3", "10: Zoë|4", "11: tail\r",
        "13: last|5",
    ]

    @Test func pieceSizeDoesNotChangeRecords() throws {
        for size in [1, 2, 3, 5, 7, 64, .max] {
            #expect(try read(Self.text, pieces: size) == Self.records, "pieces of \(size)")
        }
    }

    @Test func spreadsheetVariantsAreAccepted() throws {
        let expected = ["1: name|zones", "2: Ann|A;B"]
        #expect(try read("\u{feff}name;zones\nAnn;\"A;B\"\n") == expected)
        #expect(try read("name\tzones\nAnn\tA;B") == expected)
        #expect(try read("name,zones\rAnn,A;B\r") == expected)
        #expect(try read("sep=;\r\nname;zones\r\nAnn;\"A;B\"\r\n") == ["2: name|zones", "3: Ann|A;B"])
        #expect(try read("\u{feff}sep=|\nname|zones\nAnn|A;B") == ["2: name|zones", "3: Ann|A;B"])
        #expect(try read("\n\n\nname,zones\n\nAnn,A;B\n,\n\n") == ["4: name|zones", "6: Ann|A;B"])
        // Quoted separators are not counted. A comma is preferred.
        #expect(try read("name,\"a;b;c;d\"\nAnn,1") == ["1: name|a;b;c;d", "2: Ann|1"])
        #expect(try read("name;a,b\nAnn;1,2") == ["1: name;a|b", "2: Ann;1|2"])
        #expect(try read("name") == ["1: name"])
        #expect(try read("").isEmpty)
        #expect(try read("\r\n\r\n").isEmpty)
    }

    @Test func blanksBeforeQuoteAreSkipped() throws {
        let text = "name, code\nAnn, \"Smith, \"\"x\"\"\"\n \t\"Ben\",  \n \t \n, \n  Cem \"the\" cook, 5"
        for size in [1, 2, .max] {
            #expect(
                try read(text, pieces: size) == [
                    "1: name|code", #"2: Ann|Smith, "x""#, "3: Ben|-", #"6: Cem "the" cook|5"#,
                ])
        }
        // A line end that two pieces share is one line end.
        for size in [1, 6, 8, 9, .max] {
            #expect(try read("\u{feff}sep=;\r\na;b\r\n1;2\r\n", pieces: size) == ["2: a|b", "3: 1|2"], "\(size)")
        }
        // A tab as separator is not skipped.
        #expect(try read("sep=\t\na\tb\n\t\"x\"\n") == ["2: a|b", "3: -|x"])
    }

    @Test func invalidRecordIsReportedWithLineAndReadingContinues() throws {
        let found = try read("a,b\n\"x\"y,1\ngood,2\n\"open,3\n")
        #expect(
            found == [
                "1: a|b", "line 2: text after a closing quote", "3: good|2",
                "line 4: a quote is opened and never closed",
            ])
        let latin = try read(Array("a,b\nRen".utf8) + [0xe9] + Array(",1\ngood,2\n".utf8))
        #expect(latin.count == 3 && latin[1].hasPrefix("line 2: 'Ren\u{fffd}' is not UTF-8") && latin[2] == "3: good|2")
        // A character that is split over two fields is invalid.
        let halves = try read(Array("a,b\n".utf8) + [0xc3] + Array(",".utf8) + [0xa9, 0x0a])
        #expect(halves.count == 2 && halves[1].contains("UTF-8"))
        let nul = try read(Array("a,b\nx".utf8) + [0] + Array(",1\n".utf8))
        #expect(nul.count == 2 && nul[1].hasPrefix("line 2: a NUL byte"))
    }

    @Test func otherEncodingsAreRejected() throws {
        for (bytes, word) in [
            ([0xff, 0xfe, 0x61, 0x00], "UTF-16"), ([0xfe, 0xff, 0x00, 0x61], "UTF-16"),
            ([0x61, 0x00, 0x62, 0x00], "UTF-16"),
            (Array("PK\u{3}\u{4}".utf8), "spreadsheet"),
        ] as [([UInt8], String)] {
            let problem = try #require(throws: RowError.self) { try read(bytes) }
            #expect(problem.number == 1 && problem.message.contains(word))
        }
    }

    @Test func fieldLengthIsLimitedAlsoInsideOpenQuote() throws {
        let limit = CSVReader.fieldLimitBytes
        let longest = String(repeating: "x", count: limit)
        #expect(try read("a\n\(longest)\n").last == "2: \(longest)")
        for size in [1_000, .max] {
            let found = try read("a\n\(longest)x\n\"\(longest)\n\ngood\n", pieces: size)
            #expect(found.count == 4 && found[1].hasPrefix("line 2: a field of more than 65536 bytes"))
            #expect(found[2].hasPrefix("line 3: ") && found[2].contains("never closed"))
            #expect(found[3] == "5: good")
        }
        let header = try read("\"\(longest)\(longest)\na,b\n")
        #expect(header.count == 2 && header[0].contains("never closed"))
    }

    /// A line of 80 MB of separators took 1 GB, because the ends of all its fields were held.
    @Test func fieldsOfARecordAreLimited() throws {
        let limit = CSVReader.fieldsLimit
        let widest = "x" + String(repeating: ",", count: limit - 1)
        #expect(try read("a,b\n\(widest)\n1,2\n").map { $0.prefix(3) } == ["1: ", "2: ", "3: "])
        for size in [1_000, .max] {
            let found = try read("a,b\n\(widest),,,\n1,2\n", pieces: size)
            #expect(found == ["1: a|b", "line 2: more than \(limit) fields", "3: 1|2"])
        }
        // A header of separators alone.
        let header = try read(String(repeating: ",", count: 200_000) + "\na,b\n")
        #expect(header == ["line 1: more than \(limit) fields", "2: a|b"])
        // The problem is reported before the line ends, so nothing of it is held any more.
        var reader = CSVReader()
        var found: [String] = []
        let note = { (item: CSVReader.Item) in
            if case .problem(let problem) = item { found.append("\(problem)") }
        }
        try reader.read(Array("a,b\n".utf8)[...], note)
        let piece = [UInt8](repeating: UInt8(ascii: ","), count: 65_536)
        for _ in 0..<1_280 { try reader.read(piece[...], note) }
        #expect(found == ["line 2: more than \(limit) fields"])
        try reader.finish(note)
        #expect(found.count == 1)
    }

    @Test func bytesOfARecordAreLimited() throws {
        let field = String(repeating: "x", count: 60_000)
        let fits = Array(repeating: field, count: CSVReader.recordLimitBytes / 60_000).joined(separator: ",")
        let (plain, quoted) = ("\(fits),\(field)", "\(fits),\"\(field)\"")
        for size in [1_000, .max] {
            let found = try read("a,b\n\(fits)\n\(plain)\n\(quoted)\n1,2\n", pieces: size)
            #expect(found.count == 5 && found[1].hasPrefix("2: x") && found[4] == "5: 1|2")
            #expect(found[2] == "line 3: more than \(CSVReader.recordLimitBytes) bytes")
            #expect(found[3].hasPrefix("line 4: more than \(CSVReader.recordLimitBytes) bytes: is a quote opened"))
        }
    }

    /// The reader itself takes off blanks only.
    private static func withoutBlanks(_ text: String) -> String {
        let bytes = Array(text.utf8.drop { $0 == UInt8(ascii: " ") }.reversed().drop { $0 == UInt8(ascii: " ") })
        return String(decoding: bytes.reversed(), as: UTF8.self)
    }

    @Test func randomFilesRoundTrip() throws {
        var random = TestRandom(seed: 5)
        let alphabet = Array("ab,;\"\r\n é🎟")
        for _ in 0..<300 {
            let rows = (0...Int.random(in: 0..<6, using: &random)).map { _ in
                (0..<3).map { _ in
                    String(
                        (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                            alphabet.randomElement(using: &random) ?? "a"
                        })
                }
            }
            let text = rows.map {
                $0.map {
                    "\"" + $0.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
                }.joined(separator: ",") + "\n"
            }.joined()
            let expected = rows.filter { !$0.allSatisfy(\.isEmpty) }.map {
                $0.map(Self.withoutBlanks).map { $0.isEmpty ? "-" : $0 }.joined(separator: "|")
            }
            let found = try read("h,h,h\n" + text, pieces: Int.random(in: 1..<20, using: &random))
            #expect(
                found.dropFirst().map { String($0.drop { $0 != " " }.dropFirst()) } == expected,
                "\(text.debugDescription)")
        }
    }
}
