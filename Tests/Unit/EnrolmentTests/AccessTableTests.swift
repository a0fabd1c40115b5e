import Crypto
import Testing

@testable import Enrolment

@Suite struct AccessTableTests {
    private func entry(_ token: String, _ scanner: String, isNew: Bool = false) -> AccessTable.Entry {
        AccessTable.Entry(hash: SHA256.hash(Array(token.utf8)), scanner: scanner, isNew: isNew)
    }

    @Test func tokenNamesItsScanner() {
        let table = AccessTable(
            (0..<1_000).map { entry("token-\($0)", "gate-\($0)") } + [entry("new", "gate-1", isNew: true)])
        #expect(table.entry(ofToken: "token-7")?.scanner == "gate-7")
        #expect(table.entry(ofToken: "new")?.isNew == true)
    }

    @Test(arguments: ["", "token-8", "Token-7", "token-7 ", String(repeating: "t", count: 300)])
    func otherTokenIsUnknown(token: String) {
        #expect(AccessTable([entry("token-7", "gate-7")]).entry(ofToken: token) == nil)
        #expect(AccessTable().entry(ofToken: token) == nil)
    }

    @Test func accessWithoutDatabaseAllowsNoToken() {
        let access = ScannerAccess(databaseURL: "postgresql://127.0.0.1:1/none")
        #expect(!access.allows(token: "") && !access.allows(token: "token"))
        #expect(access.renewal(token: nil).status == 401 && access.renewal(token: "token").status == 401)
    }
}
