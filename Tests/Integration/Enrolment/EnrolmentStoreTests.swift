import Crypto
import Enrolment
import EnrolmentExchange
import Postgres
import ScanModel
import TestSupport
import Testing

/// One-time tokens, bearer tokens and rotations in a real database.
@Suite struct EnrolmentStoreTests {
    private let fixture: EnrolmentFixture
    private var store: EnrolmentStore { fixture.store }

    init() throws { fixture = try EnrolmentFixture() }

    private func request(_ token: EnrolmentToken) throws -> (request: EnrolmentRequest, key: [UInt8]) {
        let key = X25519.privateKey()
        return (EnrolmentRequest(lookup: token.lookup, deviceKey: try X25519.publicKey(of: key)), key)
    }

    @Test func tokenGivesTheFileToOneDevice() throws {
        let (token, issued) = (try fixture.token(), try fixture.template().issue(fixture.id(), isForToken: true))
        try store.store(token, issued, validS: 3_600)
        let (first, key) = try request(token)
        let response = try EnrolmentDesk.response(first, store)
        #expect(response.status == 200)
        let sealed = try #require(SealedMessage.open(response.body, with: key, purpose: EnrolmentRequest.purpose))
        #expect(token.open(sealed) == issued.content)
        // The response can be lost: the same device asks again. Another one is refused.
        #expect(try EnrolmentDesk.response(first, store).status == 200)
        #expect(try EnrolmentDesk.response(request(token).request, store).status == 403)
        #expect(try store.deviceKey(of: fixture.id()) == first.deviceKey)
    }

    @Test func databaseReadsNothingOfTheFile() throws {
        let issued = try fixture.template().issue(fixture.id(), isForToken: true)
        try store.store(try fixture.token(), issued, validS: 3_600)
        let password = try #require(issued.content.settings["AMQP_URL"]?.split(separator: "@").first)
        let dump = try fixture.database.query(
            "SELECT to_json(t), encode(sealed, 'escape') FROM tapline_internal.enrolment_tokens t")
        let bearer = try fixture.bearer(issued)
        #expect(!dump.joined().contains(password) && !dump.joined().contains(bearer))
    }

    @Test func expiredTokenAndTokenOfDisabledScannerAreRefused() throws {
        let (old, off) = (try fixture.token(), try fixture.token())
        try store.store(old, try fixture.template().issue(fixture.id("gate-1")), validS: 0)
        try store.store(off, try fixture.template().issue(fixture.id("gate-off")), validS: 3_600)
        for token in [old, off, try fixture.token()] {
            #expect(try EnrolmentDesk.response(request(token).request, store).status == 403)
        }
    }

    @Test func newTokenEndsTheFormerOneOfItsScanner() throws {
        let (first, second) = (try fixture.token(), try fixture.token())
        for token in [first, second] {
            try store.store(token, try fixture.template().issue(fixture.id()), validS: 3_600)
        }
        #expect(try EnrolmentDesk.response(request(first).request, store).status == 403)
        #expect(try EnrolmentDesk.response(request(second).request, store).status == 200)
    }

    @Test func bearerIsAcceptedWhileItsScannerIsEnabled() throws {
        let issued = try ["gate-1", "gate-off"].map { try fixture.template().issue(fixture.id($0)) }
        try store.store(issued)
        let access = ScannerAccess(databaseURL: fixture.database.url)
        let bearers = try issued.map(fixture.bearer)
        #expect(bearers.map { access.allows(token: $0) } == [false, false])
        try access.refresh(fixture.connection)
        #expect(bearers.map { access.allows(token: $0) } == [true, false])
        try fixture.connection.execute("UPDATE tapline.scanners SET enabled = NOT enabled")
        #expect(access.allows(token: bearers[0]))
        try access.refresh(fixture.connection)
        #expect(bearers.map { access.allows(token: $0) } == [false, true])
        #expect(try store.disable(fixture.id("gate-off")))
        try access.refresh(fixture.connection)
        #expect(bearers.map { access.allows(token: $0) } == [false, false])
    }

    @Test func accessServiceReadsTokensWhileItRuns() throws {
        let access = ScannerAccess(databaseURL: fixture.database.url)
        let service = RunningService(access.service())
        let issued = try fixture.template().issue(fixture.id())
        try store.store([issued])
        let bearer = try fixture.bearer(issued)
        try eventually("the token is accepted") { access.allows(token: bearer) }
        #expect(try store.disable(fixture.id()))
        try eventually("the token is refused") { !access.allows(token: bearer) }
        try service.end()
    }

    @Test func rotationKeepsOldCredentialsUntilTheDeviceHasNewOnes() throws {
        let id = try fixture.id()
        let old = try fixture.template().issue(id)
        try store.store([old])
        let key = try #require(try store.deviceKey(of: id))
        let new = try fixture.template().issue(id, deviceKey: key)
        try store.startRotation(new, deviceKey: key)
        let access = ScannerAccess(databaseURL: fixture.database.url)
        try access.refresh(fixture.connection)
        let (oldBearer, newBearer) = (try fixture.bearer(old), try fixture.bearer(new))
        #expect(access.allows(token: oldBearer) && access.allows(token: newBearer))

        // A rotation that is not confirmed is not finished.
        let rotation = try #require(try store.rotation(of: id))
        #expect(rotation.passwordHash == new.passwordHash && !rotation.isConfirmed)
        try store.finishRotation(of: id)
        #expect(try store.rotation(of: id) != nil)

        // The device reads the new file with its key, and shows the new token.
        let response = access.renewal(token: oldBearer)
        let deviceKey = try #require(old.content.settings["DEVICE_KEY"].flatMap { Hex.decode($0) })
        let json = try #require(SealedMessage.open(response.body, with: deviceKey, purpose: EnrolmentRenewal.purpose))
        #expect(response.status == 200 && EnrolmentContent(json: json) == new.content)
        #expect(access.renewal(token: newBearer).status == 204)
        try access.refresh(fixture.connection)
        #expect(try store.rotation(of: id)?.isConfirmed == true)

        try store.finishRotation(of: id)
        try access.refresh(fixture.connection)
        #expect(try store.rotation(of: id) == nil)
        #expect(access.renewal(token: newBearer).status == 204 && access.renewal(token: oldBearer).status == 204)
        try fixture.connection.execute(
            "UPDATE tapline_internal.scanner_access SET previous_until = now() - interval '1 second'")
        try access.refresh(fixture.connection)
        #expect(!access.allows(token: oldBearer) && access.allows(token: newBearer))
    }
}
