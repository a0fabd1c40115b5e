import Crypto
import EnrolmentExchange
import Testing

@testable import Enrolment

@Suite struct EnrolmentDeskTests {
    private let done = EnrolmentResponse(200, [1])

    @Test func firstRequestAsksAndLaterOnesWaitForTheAnswer() {
        var book = EnrolmentDesk.Book()
        #expect(book.take([1], nowMs: 0) == .ask)
        #expect(book.take([1], nowMs: 1) == .response(EnrolmentDesk.later))
        #expect(book.take([2], nowMs: 1) == .ask)
        book.settle([1], done, nowMs: 2)
        #expect(book.take([1], nowMs: 3) == .response(done))
        #expect(book.take([2], nowMs: 3) == .response(EnrolmentDesk.later))
    }

    @Test func answerIsForgottenAfterItsTime() {
        var book = EnrolmentDesk.Book()
        #expect(book.take([1], nowMs: 0) == .ask)
        book.settle([1], done, nowMs: 0)
        #expect(book.take([1], nowMs: EnrolmentDesk.keptMs - 1) == .response(done))
        #expect(book.take([1], nowMs: EnrolmentDesk.keptMs) == .ask)
    }

    @Test func floodOfRequestsIsRefusedAndTakesBoundedMemory() {
        var book = EnrolmentDesk.Book()
        for number in 0..<EnrolmentDesk.waitingLimit { #expect(book.take([UInt8(number)], nowMs: 0) == .ask) }
        guard case .response(let response) = book.take([0, 0], nowMs: 0) else {
            Issue.record("the flood is accepted")
            return
        }
        #expect(response.status == 503)
        book.settle([0], done, nowMs: 1)
        #expect(book.take([0, 0], nowMs: 1) == .ask)
    }

    @Test func requestOfOtherFormIsRefusedWithoutDatabase() {
        let desk = EnrolmentDesk(databaseURL: "postgresql://127.0.0.1:1/none")
        for body in ["", "{}", String(repeating: "x", count: 5_000)] {
            #expect(desk.respond(body: Array(body.utf8)).status == 400)
        }
        let request = EnrolmentRequest(lookup: randomBytes(32), deviceKey: randomBytes(32))
        #expect(desk.respond(body: request.body) == EnrolmentDesk.later)
    }
}
