package import ErrorModel
package import HTTPClient

/// A failed change of the broker's users.
package enum BrokerManagementError: OperationError, Equatable {
    /// The setting is unusable. The text says why, without the password.
    case setting(String)
    /// The broker has a user of this name that is not a scanner's: it has tags or other permissions, or is Tapline's.
    case foreignUser(String)
    /// The credential is not accepted, or its user has no tag `administrator`.
    case denied(url: String, status: Int)
    /// The management API gave another response than its documentation says.
    case unexpected(url: String, status: Int)
    /// No response.
    case unavailable(HTTPClientError)

    /// `configuration` for a setting, a name or a credential; `unavailable` without a response; otherwise `failure`.
    package var category: ErrorCategory {
        switch self {
        case .setting, .foreignUser, .denied: .configuration
        case .unexpected: .failure
        case .unavailable(let error): error.category
        }
    }

    /// What is wrong, and what to do.
    package var description: String {
        switch self {
        case .setting(let text): text
        case .foreignUser(let name):
            "the broker has a user '\(name)' with other tags or permissions than a scanner's, and it was not changed; "
                + "choose another scanner ID, or if it is the scanner's: rabbitmqctl delete_user \(name)"
        case .denied(let url, let status):
            "\(url): status \(status): the credential is wrong, or its user has no tag administrator"
        case .unexpected(let url, let status): "\(url): unexpected status \(status) of the management API"
        case .unavailable(let error): "management API of the broker: \(error)"
        }
    }
}
