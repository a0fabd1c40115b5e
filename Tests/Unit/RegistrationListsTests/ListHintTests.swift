import Testing

@testable import RegistrationLists

/// What the errors of a list say about the way to correct it.
struct ListHintTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func error(_ text: String) throws -> RowError {
        let list = RegistrationCSV(try files.write(text), RegistrationCSV.Identities(key: files.key))
        return try #require(throws: RowError.self) { try files.read(list) }
    }

    // MARK: Formats

    @Test func fileInAnotherFormatIsRecognised() throws {
        let report = "Attendee Summary\n\nOrder #,First Name,Ticket Type,Attendee #,Barcode #,Attendee Status\n"
        let eventbrite = try error(report)
        #expect(eventbrite.remedy == .otherFormat(.eventbrite) && eventbrite.number == 3)
        #expect(try error("name,zone,valid_from\nCrew,Main,\n").remedy == .otherFormat(.passes))
        for json in ["{\"count\": 1}", "\u{FEFF}\n[\n {\"code\": 1}]"] {
            #expect(try error(json).remedy == .otherFormat(.pretix))
        }
        let long = "{\"results\":[\"" + String(repeating: "x", count: 100_000) + "\"]}"
        #expect(try error(long).remedy == .otherFormat(.pretix))
    }

    @Test func registrationListAsPassesIsRecognised() throws {
        let path = try files.write("uid,name,zones\n04A1B2C3,Ann,Main\n")
        let rejected = try #require(throws: ImportRejected.self) { try PassCSV(path) }
        #expect(rejected.has(.otherFormat(.people)))
    }

    @Test func numberOfPassesAndTheirZonesIsLimited() throws {
        func problem(_ rows: some Sequence<String>) throws -> String? {
            do {
                _ = try PassCSV(try files.write("name,zone\n" + rows.joined(separator: "\n") + "\n", "passes.csv"))
                return nil
            } catch let error as ImportRejected { return "\(error)" }
        }
        let zones = (1...PassCSV.accessLimit).map { "Crew,z\($0)" }
        #expect(try problem(zones) == nil)
        #expect(
            try problem(zones + ["Crew,more", "Crew,z1"])
                == "line \(PassCSV.accessLimit + 2): pass 'Crew' has more than \(PassCSV.accessLimit) rows")
        let passes = (1...PassCSV.limit / 2).map { "p\($0),z" }
        #expect(try problem(passes) == nil)
        #expect(try problem(passes + ["last,z"])?.contains("more than \(PassCSV.limit) passes and zones") == true)
    }

    @Test func zonesOfARowAreLimited() throws {
        func problems(_ count: Int) throws -> [String] {
            let zones = (1...count).map { "z\($0)" }.joined(separator: ";")
            let path = try files.write("external_ref,name,zones\n1,Ann,\(zones)\n2,Ben,\(zones)\n")
            return try files.read(RegistrationCSV(path, RegistrationCSV.Identities(key: files.key))).problems
        }
        #expect(try problems(RegistrationRow.zonesLimit) == [])
        #expect(try problems(RegistrationRow.zonesLimit + 1).first == "line 2: more than 200 zones: use a pass")
    }

    @Test func damagedFileOfPretixIsToBeDownloadedAgain() throws {
        let path = try files.write(#"{"count": 2, "results": [{"code": "A", "#, "orders.json")
        let error = try #require(throws: RegistrationListError.self) { try PretixExport([path], key: files.key) }
        #expect(error.description.contains("Download it again; nothing was stored"))
    }

    // MARK: Times

    @Test func timeWithOtherOffsetIsShownCorrectly() throws {
        for (text, right) in [
            ("2026-05-06T08:00+04:00", "2026-05-06T08:00:00+04:00"),
            ("2026-05-06T08:00:30+0400", "2026-05-06T08:00:30+04:00"),
            ("2026-05-06 8:00 Z", "2026-05-06T08:00:00Z"), ("06.05.2026 08:00 +4", "2026-05-06T08:00:00+04:00"),
        ] {
            let error = try #require(throws: CellError.self) { try RegistrationRow.time(text) }
            #expect(error.description == "is not an RFC 3339 time: write \(right)")
            #expect(error.remedy == nil)
        }
    }

    @Test func dateAloneEndsAPeriodWithItsDay() throws {
        func remedy(_ text: String, isEnd: Bool) throws -> RowError.Remedy? {
            try #require(throws: CellError.self) { try RegistrationRow.time(text, isEnd: isEnd) }.remedy
        }
        let midnight = "2026-05-06T00:00:00"
        for text in ["2026-05-06", "06.05.2026", "2026-05-06 +04:00"] {
            #expect(try remedy(text, isEnd: true) == .timeOffset(local: midnight, endsDay: true))
        }
        #expect(try remedy("2026-05-06", isEnd: false) == .timeOffset(local: midnight))
        #expect(try remedy("2026-05-06 00:00", isEnd: true) == .timeOffset(local: midnight))
        #expect(try remedy("tomorrow", isEnd: true) == .timeOffset(local: nil))
    }

    @Test func localTimeIsReadInTheFormsOfSpreadsheets() throws {
        for (text, local) in [
            ("06/05/2026 08:00", "2026-05-06T08:00:00"), ("06.05.2026", "2026-05-06T00:00:00"),
            ("2026/05/06 8:00", "2026-05-06T08:00:00"), ("05/26/2026 08:00", "2026-05-26T08:00:00"),
            ("tomorrow", nil), ("06/05/26", nil), ("31/02/2026", nil), ("2026-05-06 25:00", nil),
        ] as [(String, String?)] {
            let error = try #require(throws: CellError.self) { try RegistrationRow.time(text) }
            #expect(error.remedy == .timeOffset(local: local), "\(text)")
        }
        let either = try #require(throws: CellError.self) { try RegistrationRow.time("06/05/2026 08:00") }
        #expect(either.description.contains("can be the day or the month"))
        let clear = try #require(throws: CellError.self) { try RegistrationRow.time("26/05/2026 08:00") }
        #expect(clear.description == "has no offset from UTC")
    }
}
