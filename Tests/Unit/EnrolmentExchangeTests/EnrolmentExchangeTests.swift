import Crypto
import ScanModel
import Testing

@testable import EnrolmentExchange

@Suite struct EnrolmentExchangeTests {
    private let pin = Array(UInt8(100)..<132)
    private let id: ScannerID

    init() throws { id = try #require(ScannerID("gate-1")) }

    private func token(_ center: String = "center.example:8443") throws -> EnrolmentToken {
        try #require(EnrolmentToken(center: center, pinnedKey: pin))
    }

    private var content: EnrolmentContent {
        EnrolmentContent(
            id, settings: ["AMQP_URL": "amqps://gate-1:s@b/v", "EVENT_KEY": "00ff"], authorities: "-----BEGIN\nx\n")
    }

    @Test func tokenIsReadFromItsText() throws {
        let token = try token()
        let text = token.text
        #expect(EnrolmentToken(text) == token && token.center == "center.example:8443" && token.pinnedKey == pin)
        // The characters of the dense mode of QR codes, and the length of a line of a code reader.
        #expect(text.utf8.allSatisfy { "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".utf8.contains($0) })
        #expect(text.utf8.count < 140)
        #expect(try self.token(String(repeating: "h", count: 96)).text.utf8.count <= 256)
    }

    @Test func tokenSurvivesWrappingAndCase() throws {
        let token = try token()
        let wrapped = token.text.lowercased().enumerated().map { $0 % 20 == 19 ? "\($1)\n" : "\($1)" }.joined()
        #expect(EnrolmentToken("  \(wrapped)\r\n") == token)
    }

    @Test func tokenWithOneWrongCharacterIsRefused() throws {
        let text = Array(try token().text)
        for at in text.indices {
            var wrong = text
            wrong[at] = wrong[at] == "A" ? "B" : "A"
            #expect(EnrolmentToken(String(wrong)) == nil, "character \(at)")
            #expect(EnrolmentToken(String(text.prefix(at))) == nil)
        }
        #expect(EnrolmentToken("") == nil && EnrolmentToken("TAPLINE1:") == nil)
    }

    @Test(arguments: ["", "a b", "evil/path", "user@host", "ä.example", String(repeating: "h", count: 97)])
    func addressThatIsNoHostAndPortMakesNoToken(center: String) {
        #expect(EnrolmentToken(center: center, pinnedKey: pin) == nil)
    }

    @Test func enrolmentIsReadWithItsTokenOnly() throws {
        let token = try token()
        let sealed = try token.seal(content)
        #expect(token.open(sealed) == content)
        #expect(try self.token().open(sealed) == nil)
        #expect(!String(decoding: sealed, as: UTF8.self).contains("amqps"))
        // The center sees the lookup, which reveals nothing of the key.
        #expect(SealedMessage.open(sealed, secret: token.lookup, purpose: "tapline enrolment file") == nil)
    }

    @Test func fileNamesTheAuthoritiesOfTheDevice() {
        #expect(
            content.fileText(authorityPath: "/etc/tapline/ca.pem") == """
                # Settings and secrets of this device. Keep mode 600.
                TAPLINE_SCANNER=gate-1
                TAPLINE_AMQP_URL=amqps://gate-1:s@b/v
                TAPLINE_AMQP_CA_FILE=/etc/tapline/ca.pem
                TAPLINE_CENTER_CA_FILE=/etc/tapline/ca.pem
                TAPLINE_EVENT_KEY=00ff

                """)
    }

    @Test func formerBrokersFollowTheNewOnes() {
        let new = content.withFormerBrokers("amqps://gate-1:old@b/v amqps://gate-1:older@b/v")
        #expect(new.settings["AMQP_URL"] == "amqps://gate-1:s@b/v amqps://gate-1:old@b/v")
        #expect(content.withFormerBrokers(nil) == content)
        #expect(content.withFormerBrokers("amqps://gate-1:s@b/v") == content)
    }

    @Test(arguments: [
        #"{"v":2,"scanner":"gate-1","settings":{"SCANNER":"gate-1"}}"#,
        #"{"v":1,"scanner":"gate-1","settings":{"SCANNER":"gate-2"}}"#,
        #"{"v":1,"scanner":"Gate 1","settings":{"SCANNER":"Gate 1"}}"#,
        #"{"v":1,"scanner":"gate-1","settings":{"SCANNER":"gate-1","A":"b\nTAPLINE_C=d"}}"#,
        #"{"v":1,"scanner":"gate-1","settings":{"SCANNER":"gate-1","A=B":"c"}}"#,
        #"{"v":1,"scanner":"gate-1","settings":{"SCANNER":"gate-1","A":"\"c"}}"#,
        "[]", "",
    ])
    func otherFormsAreNoEnrolment(json: String) { #expect(EnrolmentContent(json: Array(json.utf8)) == nil) }

    @Test func requestIsReadFromItsBody() throws {
        let request = EnrolmentRequest(lookup: try token().lookup, deviceKey: Array(UInt8(0)..<32))
        #expect(EnrolmentRequest(body: request.body) == request)
        #expect(request.body.count < EnrolmentRequest.limitBytes)
        for body in ["", "{}", #"{"v":1,"token":"00","device":"00"}"#, String(repeating: "[", count: 2_000)] {
            #expect(EnrolmentRequest(body: Array(body.utf8)) == nil)
        }
        let later = String(decoding: request.body, as: UTF8.self).replacing("\"v\":1", with: "\"v\":2")
        #expect(EnrolmentRequest(body: Array(later.utf8)) == nil)
    }
}
