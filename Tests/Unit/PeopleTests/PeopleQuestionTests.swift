import HTTPServer
import ScanModel
import Synchronization
import TestSupport
import Testing

@testable import People

@Suite struct PeopleQuestionTests {
    @Test(arguments: [
        ("/api/people", ["q": "ann"], PeopleQuestion.search("ann")), ("/api/people", [:], .search("")),
        ("/api/people/17", [:], .person(17)), ("/api/people/17/refusals", [:], .refusals(17)),
        ("/api/people/tags/-17/refusals", [:], .tagRefusals(TagID(rawValue: -17))),
    ])
    func pathOfThePeopleIsUnderstood(_ path: String, _ query: [String: String], _ expected: PeopleQuestion) {
        #expect(PeopleQuestion(path: path, query: query) == expected)
    }

    @Test(arguments: [
        "/api/peoples", "/api/people/", "/api/people/x", "/api/people/-1", "/api/people/+1", "/api/people/1/",
        "/api/people/1/refusals/", "/api/people/1/erase", "/api/people//1", "/api/people/99999999999999999999", "/api",
        "/api/people/\u{661}", "/api/people/tags/1", "/api/people/tags/x/refusals", "/api/people/tags/01/refusals",
        "/api/people/tags/+1/refusals", "/api/people/tags/1/track", "/api/people/tags/99999999999999999999/refusals",
    ])
    func otherPathIsNotForPeople(_ path: String) {
        #expect(PeopleQuestion(path: path, query: [:]) == nil)
        #expect(!PeopleDesk(databaseURL: "", snapshots: nil).accept(path, [:]) { _ in Issue.record("answered") })
    }

    @Test func fullQueueAnswers503AtOnce() {
        let desk = PeopleDesk(databaseURL: "", snapshots: nil)
        let statuses = Mutex<[Int]>([])
        for _ in 0..<(PeopleDesk.waitingLimit + 3) {
            #expect(
                desk.accept("/api/people", ["q": "x"]) { response in statuses.withLock { $0.append(response.status) } })
        }
        #expect(statuses.withLock(\.self) == [503, 503, 503])
    }
}
