import TestSupport
import Testing

@testable import Reports

struct ReportsTests {
    @Test(
        arguments: [
            "2026-05-06", "2000-01-01", "2199-12-31", "2028-02-29", "2000-02-29",
        ])
    func validDateIsADay(_ text: String) { #expect(ReportDay(text)?.text == text) }

    /// The text of a day is a part of SQL.
    @Test(
        arguments: [
            "", "2026-5-06", "2026-05-6", "26-05-06", "2026-13-01", "2026-00-10", "2026-04-31", "2027-02-29",
            "2100-02-29",
            "1999-12-31", "2200-01-01", "2026-05-06'", "2026/05/06", "2026-05-06 ", "٢٠٢٦-٠٥-٠٦", "today",
            "2026-05-06-07",
            "+026-05-06", "2026--5-06",
        ])
    func anythingElseIsNoDay(_ text: String) { #expect(ReportDay(text) == nil) }

    @Test func namesAreThoseOfTheCommand() {
        #expect(
            Report.all.map(\.name) == [
                "arrivals", "dwell", "no-shows", "refusals", "reentries", "late", "categories", "busiest", "muster",
            ])
        #expect(Report.all.filter(\.showsNames).map(\.name) == ["no-shows", "muster"])
        #expect(Report.all.filter { !$0.isOfDay }.map(\.name) == ["muster"])
    }

    @Test func tableFitsInAHundredColumns() {
        for report in Report.all {
            let widths = report.columns.filter { $0.name != "tag_id" }.map { column -> Int in
                switch column.kind {
                case .text(let width): max(width, column.heading.count)
                case .time: max(11, column.heading.count)
                case .number: max(8, column.heading.count)
                }
            }
            let columns = widths.reduce(0, +) + 2 * (widths.count - 1)
            #expect(columns <= 100, "\(report.name): \(columns)")
        }
    }

    @Test func queryNamesFunctionAndDay() {
        let busiest = Report.all[7]
        #expect(
            busiest.query(day: ReportDay("2026-05-06"))
                == "SELECT gate, slot, passed_in, passed_out, per_hour FROM tapline.report_busiest(date '2026-05-06')")
        #expect(busiest.query(day: nil).hasSuffix("report_busiest(NULL)"))
        #expect(Report.all[8].query(day: nil).hasSuffix("FROM tapline.report_muster()"))
        #expect(Report.all[2].function == "tapline.report_no_shows")
    }
}
