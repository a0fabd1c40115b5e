import Crypto
import EnrolmentExchange
import FuzzDriver

/// What an enrolment reads: the body of `POST /enrol`, texts of tokens, encrypted messages, and enrolments as JSON.
@main enum FuzzEnrolment {
    private static let key = [UInt8](repeating: 7, count: 32)

    static func main() {
        fuzz { bytes in
            request(bytes)
            token(bytes)
            content(bytes)
        }
    }

    private static func request(_ bytes: [UInt8]) {
        guard let request = EnrolmentRequest(body: bytes) else { return }
        precondition(EnrolmentRequest(body: request.body) == request, "a request is not read again")
        // A key that cannot be used is an error.
        _ = try? SealedMessage.seal([1], to: request.deviceKey, purpose: EnrolmentRequest.purpose)
    }

    private static func token(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        // The fuzzer finds no valid check by itself.
        let checked = "TAPLINE1:" + Base32.encode(bytes + SHA256.hash(bytes).prefix(4))
        let made = EnrolmentToken(center: text, pinnedKey: key)
        for token in [EnrolmentToken(text), EnrolmentToken(checked), made].compactMap(\.self) {
            precondition(EnrolmentToken(token.text) == token, "a token is not read again")
            precondition(token.center.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "a host with other characters")
            precondition(token.open(bytes) == nil, "a forged enrolment is accepted")
        }
        let message = SealedMessage.open(bytes, with: key, purpose: EnrolmentRequest.purpose)
        precondition(message == nil, "a forged message is accepted")
    }

    private static func content(_ bytes: [UInt8]) {
        guard let content = EnrolmentContent(json: bytes) else { return }
        guard let json = try? content.json(), EnrolmentContent(json: json) == content else {
            preconditionFailure("an enrolment is not read again")
        }
        // A value with a line break would forge a setting.
        let keys = Set(content.settings.keys).union(
            content.authorities == nil ? [] : ["AMQP_CA_FILE", "CENTER_CA_FILE"])
        let lines = content.fileText(authorityPath: "ca.pem").utf8.count { $0 == UInt8(ascii: "\n") }
        precondition(lines == 1 + keys.count, "an enrolment file with other lines")
    }
}
