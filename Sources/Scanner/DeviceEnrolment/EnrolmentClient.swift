import Crypto
package import EnrolmentExchange
import HTTPClient
import LinuxSystem
package import ScanModel

/// Fetches enrolment files from a center. Confined to one thread, which it blocks.
package enum EnrolmentClient {
    /// Interval between two requests while the center asks its database, in milliseconds.
    private static let repeatMs = 250
    /// Time limit of one request, in milliseconds.
    private static let requestMs = 15_000

    /// Fetches the enrolment file of a token, and makes the key of the device.
    ///
    /// The server is accepted by the key that the token pins, so no certificate authority is needed.
    ///
    /// - Parameters:
    ///   - token: the token.
    ///   - limitMs: total time, in milliseconds.
    /// - Returns: the enrolment, with the private key of the device (`DEVICE_KEY`).
    /// - Throws: `DeviceEnrolmentError`, `CryptoError`.
    package static func enrol(_ token: EnrolmentToken, limitMs: Int = 60_000) throws -> EnrolmentContent {
        let deviceKey = X25519.privateKey()
        let request = EnrolmentRequest(lookup: token.lookup, deviceKey: try X25519.publicKey(of: deviceKey))
        var settings = HTTPSession.Settings()
        settings.pinnedKey = token.pinnedKey
        let session = HTTPSession(settings)
        let url = "https://\(token.center)\(EnrolmentRequest.path)"
        let deadline = SystemClock.monotonicMs() + Int64(limitMs)
        while true {
            let response = try send(session, .post, url, request.body, ["Content-Type: application/json"])
            switch response.status {
            case 200:
                guard
                    let sealed = SealedMessage.open(
                        response.body, with: deviceKey, purpose: EnrolmentRequest.purpose),
                    let content = token.open(sealed)
                else { throw DeviceEnrolmentError.wrongResponse(url: url) }
                return content.with("DEVICE_KEY", Hex.encode(deviceKey))
            case 202, 503: break
            case 403: throw DeviceEnrolmentError.tokenRefused(center: token.center)
            default: throw DeviceEnrolmentError.unexpected(url: url, status: response.status)
            }
            guard SystemClock.monotonicMs() < deadline else {
                throw DeviceEnrolmentError.timedOut(center: token.center)
            }
            _ = Poll.wait([], timeoutMs: repeatMs)
        }
    }

    /// What a device needs to ask for new credentials.
    package struct Device: Sendable {
        let scanner: ScannerID
        let centers: [String]
        let bearer: String
        let deviceKey: [UInt8]
        let authorityFile: String?

        /// - Parameters:
        ///   - scanner: the scanner.
        ///   - centers: base URLs of the centers.
        ///   - bearer: bearer token of the device.
        ///   - deviceKey: private key of the device, 32 bytes.
        ///   - authorityFile: PEM bundle of accepted certificate authorities; `nil` for the system's.
        package init(
            scanner: ScannerID, centers: [String], bearer: String, deviceKey: [UInt8], authorityFile: String?
        ) {
            self.scanner = scanner
            self.centers = centers
            self.bearer = bearer
            self.deviceKey = deviceKey
            self.authorityFile = authorityFile
        }
    }

    /// Asks the centers in turn whether new credentials wait for the device.
    ///
    /// - Parameters:
    ///   - device: the device.
    ///   - store: writes the new credentials durably. The center learns it after the return.
    /// - Returns: whether there were new credentials.
    /// - Throws: `DeviceEnrolmentError`, and the error of `store`.
    package static func renew(_ device: Device, store: (EnrolmentContent) throws -> Void) throws -> Bool {
        for url in device.centers where !HTTPAuthority.isProtected(url) {
            throw DeviceEnrolmentError.plainCenter(url: url)
        }
        var settings = HTTPSession.Settings()
        settings.authorityFile = device.authorityFile
        let session = HTTPSession(settings)
        var failure = DeviceEnrolmentError.bearerRefused
        for center in device.centers {
            let url = (center.hasSuffix("/") ? String(center.dropLast()) : center) + EnrolmentRenewal.path
            let response: HTTPClientResponse
            do throws(DeviceEnrolmentError) { response = try ask(session, url, device.bearer) } catch {
                failure = error
                continue
            }
            switch response.status {
            case 200:
                try take(response.body, url, device, session, store)
                return true
            case 204: return false
            case 401: failure = .bearerRefused
            default: failure = .unexpected(url: url, status: response.status)
            }
        }
        throw failure
    }

    /// Stores new credentials, then shows the new token to the center. If the latter fails, the next renewal does it.
    private static func take(
        _ body: [UInt8], _ url: String, _ device: Device, _ session: HTTPSession,
        _ store: (EnrolmentContent) throws -> Void
    ) throws {
        guard
            let json = SealedMessage.open(body, with: device.deviceKey, purpose: EnrolmentRenewal.purpose),
            let content = EnrolmentContent(json: json), content.id == device.scanner,
            let bearer = content.settings["CENTER_TOKEN"]
        else { throw DeviceEnrolmentError.wrongResponse(url: url) }
        try store(content.with("DEVICE_KEY", Hex.encode(device.deviceKey)))
        let response = try ask(session, url, bearer)
        guard response.status == 204 else {
            throw DeviceEnrolmentError.unexpected(url: url, status: response.status)
        }
    }

    private static func ask(
        _ session: HTTPSession, _ url: String, _ bearer: String
    ) throws(DeviceEnrolmentError) -> HTTPClientResponse {
        try send(session, .get, url, nil, ["Authorization: Bearer \(bearer)"])
    }

    private static func send(
        _ session: HTTPSession, _ method: HTTPSession.Method, _ url: String, _ body: [UInt8]?, _ headers: [String]
    ) throws(DeviceEnrolmentError) -> HTTPClientResponse {
        do {
            return try session.send(
                method, url, body: body, headers: headers, limitBytes: EnrolmentRequest.responseLimitBytes,
                limitMs: requestMs)
        } catch { throw .unavailable(error) }
    }
}
