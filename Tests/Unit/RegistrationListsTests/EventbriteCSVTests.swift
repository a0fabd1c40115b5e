import ScanModel
import Testing

@testable import RegistrationLists

@Suite struct EventbriteCSVTests {
    private let files: ListFiles

    init() throws { files = try ListFiles() }

    private func read(_ text: String, passes: Set<String> = ["General Admission", "VIP"]) throws -> ListFiles.Found {
        try files.read(EventbriteCSV(try files.write(text), key: files.key), passes: passes)
    }

    private static let header =
        "Order #,Order Date,First Name,Last Name,Email,Quantity,Price Tier,Ticket Type,Attendee #,Group,Order Type,Currency,"
        + "Total Paid,Fees Paid,Eventbrite Fees,Eventbrite Payment Processing,Attendee Status,Barcode #,Are you vegan?"

    @Test func attendeeReportIsRead() throws {
        let found = try read(
            """
            \(Self.header)
            9001,11/29/26 22:28,Rosa,Delgado,rosa@example.org,1,,VIP,18441583423,,Eventbrite Completed,USD,150.00,9.00,5.00,4.00,Attending,900118441583423001,"No, but
            my friend is"
            9002,11/29/26 22:54,Sam,,sam@example.org,1,,General Admission,18441700883,,Free Order,USD,0,0,0,0,Checked In,900218441700883001,
            9003,11/30/26 08:12,,,ivy@example.org,1,,Retired Ticket,18441799999,,Refunded,USD,0,0,0,0,Not Attending,,
            ,,,,,3,,,,,,USD,150.00,9.00,5.00,4.00,,,
            """)
        #expect(found.problems.isEmpty && found.skipped == 1)
        #expect(
            found.rows.map(\.externalRef) == [
                "eventbrite:18441583423", "eventbrite:18441700883", "eventbrite:18441799999",
            ])
        #expect(found.rows.map(\.name) == ["Rosa Delgado", "Sam", "Attendee 18441799999"])
        #expect(found.rows.map(\.status) == [.active, .active, .void])
        #expect(found.rows.map(\.category) == ["VIP", "General Admission", "Retired Ticket"])
        #expect(
            found.rows.map(\.access) == [
                .passes([.init(pass: "VIP")]), .passes([.init(pass: "General Admission")]), nil,
            ])
        #expect(
            found.rows.map { $0.tags.map(\.id) } == [
                [files.tag("900118441583423001")], [files.tag("900218441700883001")], [],
            ])
    }

    @Test func columnNamesOfSeveralYearsAreAcceptedInAnyCase() throws {
        let found = try read(
            """
            Order ID;Attendee first name;Attendee surname;Ticket type;Attendee ID;Attendee status;Barcode number
            1;Ana;Reyes;VIP;7;attending;0007
            """)
        #expect(found.problems.isEmpty && found.rows.map(\.name) == ["Ana Reyes"])
        #expect(found.rows.map { $0.tags.map(\.id) } == [[files.tag("0007")]])
    }

    @Test func invalidRowIsReportedWithLine() throws {
        let row = "Attendee #,Name,Ticket Type,Attendee Status,Barcode #,Quantity\n"
        let found = try read(
            row + """
                1,Ann,VIP,Attending,10,1
                2,Ben,Balcony,Attending,20,1
                3,Cem,VIP,Dancing,30,1
                4,Dan,VIP,Attending,,1
                5,Eve,VIP,Attending,5.0E+20,1
                ,Fay,VIP,Attending,60,1
                7,Gus,,Attending,70,1
                8,Hal,VIP,Attending,80,3
                """)
        #expect(found.rows.map(\.name) == ["Ann"])
        let expected = [
            "line 3: there is no pass 'Balcony'", "line 4: Attendee Status 'Dancing' is not one of attending, ",
            "line 5: 'Barcode #' is empty",
            "line 6: Barcode # '5.0E+20' was rounded by a spreadsheet",
            "line 7: 'Attendee #' is empty", "line 8: 'Ticket Type' is empty",
            "line 9: Quantity 3: ",
        ]
        #expect(found.problems.count == expected.count)
        for (problem, beginning) in zip(found.problems, expected) { #expect(problem.hasPrefix(beginning)) }
        for (header, word) in [
            ("Name,Ticket Type,Attendee Status,Barcode #\n", "'Attendee #' is missing"),
            ("Attendee #,Name,Ticket Type,Attendee Status\n", "'Barcode #' is missing"),
            ("Attendee #,First Name,Ticket Type,Attendee Status,Barcode #\n", "'Last Name'"), ("", "empty"),
            ("Attendee #,Attendee ID,Name,Ticket Type,Attendee Status,Barcode #\n", "twice"),
        ] {
            let problem = try #require(throws: RowError.self) { try read(header) }
            #expect(problem.message.contains(word), "\(problem)")
        }
    }
}
