package import ErrorModel
package import HTTPClient

/// A device that got no enrolment file.
package enum DeviceEnrolmentError: OperationError, Equatable {
    /// The center does not know the token, or it has expired, or another device has used it.
    case tokenRefused(center: String)
    /// No center accepts the bearer token of this device: the scanner was removed, or has new credentials.
    case bearerRefused
    /// The center answers, and not as an enrolment does.
    case unexpected(url: String, status: Int)
    /// The response cannot be decrypted, or is for another scanner.
    case wrongResponse(url: String)
    /// The address of the center is not https, and not this machine.
    case plainCenter(url: String)
    /// The center did not answer in time.
    case timedOut(center: String)
    /// No connection, or another key than the token pins.
    case unavailable(HTTPClientError)
    /// The enrolment file belongs to another scanner.
    case otherScanner(path: String, has: String, given: String)

    /// `unavailable` without a response, `configuration` for a wrong file or address, otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .timedOut: .unavailable
        case .unavailable(let error): error.category
        case .plainCenter, .otherScanner: .configuration
        case .tokenRefused, .bearerRefused, .unexpected, .wrongResponse: .failure
        }
    }

    /// What is wrong, and what to do.
    package var description: String {
        switch self {
        case .tokenRefused(let center):
            "\(center) refuses the token: it is unknown, has expired after its hour, or another device has used it; get a "
                + "new one from the center"
        case .bearerRefused:
            "no center accepts the token of this device: the scanner was removed, or has new credentials; enrol it again"
        case .unexpected(let url, let status): "\(url): unexpected status \(status)"
        case .wrongResponse(let url): "\(url): the response is not an enrolment of this device"
        case .plainCenter(let url): "\(url): https is needed, because the request holds the token of the device"
        case .timedOut(let center): "\(center): no enrolment in time: is its database available?"
        case .unavailable(let error): "\(error)"
        case .otherScanner(let path, let has, let given):
            "\(path) is the enrolment file of scanner \(has), but the token is for \(given): remove the file first, if this "
                + "is intended"
        }
    }
}
