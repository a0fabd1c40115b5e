import CenterHTTP
import Enrolment
import EnrolmentExchange
import HTTPServer
import Runtime

/// Enrolment in the daemon: answers devices that enrol or renew, and checks the bearer tokens of scanners.
struct EnrolmentService: Sendable {
    private let desk: EnrolmentDesk
    private let access: ScannerAccess

    init(databaseURL: String) {
        desk = EnrolmentDesk(databaseURL: databaseURL)
        access = ScannerAccess(databaseURL: databaseURL)
    }

    var services: [Service] { [access.service(), desk.service()] }

    /// Returns whether a bearer token is that of an enabled scanner. Never blocks.
    func allows(token: String) -> Bool { access.allows(token: token) }

    var endpoints: CenterEndpoints.Enrolment {
        CenterEndpoints.Enrolment(posts: [EnrolmentRequest.path: EnrolmentRequest.limitBytes]) { [desk, access] in
            switch $0.path {
            case EnrolmentRequest.path: return Self.response(desk.respond(body: $0.body ?? []))
            case EnrolmentRenewal.path: return Self.response(access.renewal(token: $0.bearerToken))
            default: return nil
            }
        }
    }

    private static func response(_ response: EnrolmentResponse) -> HTTPResponse {
        HTTPResponse(
            status: response.status,
            contentType: response.status == 200 ? "application/octet-stream" : "text/plain; charset=utf-8",
            body: .bytes(response.body), headers: [("Cache-Control", "no-store")])
    }
}
