import Crypto
import FoundationEssentials

/// The body of `POST /enrol`: which token, and the key to which the response is encrypted.
package struct EnrolmentRequest: Sendable, Equatable {
    /// Path of the request.
    package static let path = "/enrol"
    /// Maximum size of the body, in bytes.
    package static let limitBytes = 1_024
    /// Maximum size of the response, in bytes: the encrypted enrolment with its keys and tags.
    package static let responseLimitBytes = EnrolmentContent.limitBytes + 1_024
    /// Purpose of the encryption of the response to the key of the device.
    package static let purpose = "tapline enrolment response"

    /// `EnrolmentToken.lookup`, 32 bytes.
    package let lookup: [UInt8]
    /// Public X25519 key of the device, 32 bytes.
    package let deviceKey: [UInt8]

    /// Creates a request.
    package init(lookup: [UInt8], deviceKey: [UInt8]) {
        self.lookup = lookup
        self.deviceKey = deviceKey
    }

    private struct Form: Codable {
        let v: Int
        let token, device: String
    }

    /// Parses a body.
    ///
    /// - Returns: `nil` for another form, version or length.
    package init?(body: [UInt8]) {
        guard body.count <= Self.limitBytes, let form = try? JSONDecoder().decode(Form.self, from: Data(body)),
            form.v == 1, let lookup = Hex.decode(form.token), lookup.count == SHA256.length,
            let key = Hex.decode(form.device), key.count == X25519.length
        else { return nil }
        self.init(lookup: lookup, deviceKey: key)
    }

    /// The body.
    package var body: [UInt8] {
        Array(#"{"v":1,"token":"\#(Hex.encode(lookup))","device":"\#(Hex.encode(deviceKey))"}"#.utf8)
    }
}

/// `GET /enrolment`: a device asks, with its bearer token, whether new credentials wait for it.
///
/// 200 with the enrolment, encrypted to the key of the device; 204 without one; 401 for an unknown token. A device that
/// shows the new token confirms that the new file is on its disk.
package enum EnrolmentRenewal {
    /// Path of the request.
    package static let path = "/enrolment"
    /// Purpose of the encryption to the key of the device.
    package static let purpose = "tapline enrolment renewal"
}
