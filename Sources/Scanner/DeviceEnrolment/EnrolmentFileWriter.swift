package import EnrolmentExchange
import FileSystem

/// Writes the enrolment file of this device, and the certificate authorities beside it.
package struct EnrolmentFileWriter: Sendable {
    /// Name of the file with the certificate authorities, in the folder of the enrolment file.
    private static let authorityName = "ca.pem"

    private let path: String
    private let former: [String: String]

    /// Uses the path of an enrolment file.
    ///
    /// - Parameters:
    ///   - path: path of the file.
    ///   - former: values of the existing file, by key; empty without one. Those that a new enrolment does not have, such
    ///     as the reader and the data folder, are kept.
    package init(path: String, former: [String: String]) {
        self.path = path
        self.former = former
    }

    /// Replaces the file completely or not at all, with mode 0600. It is on the disk when the call returns.
    ///
    /// - Parameters:
    ///   - content: the enrolment.
    ///   - keepsBrokers: whether the brokers of the former file follow, with their password.
    /// - Throws: `SystemError`, `DeviceEnrolmentError.otherScanner`.
    package func write(_ content: EnrolmentContent, keepsBrokers: Bool = false) throws {
        if let has = former["TAPLINE_SCANNER"], let given = content.settings["SCANNER"], has != given {
            throw DeviceEnrolmentError.otherScanner(path: path, has: has, given: given)
        }
        let authorityPath = Files.canonicalPath(Files.folder(of: path)) + "/" + Self.authorityName
        if let authorities = content.authorities {
            try Files.writeAtomically(Array(authorities.utf8), to: authorityPath)
        }
        let brokers = keepsBrokers ? content.withFormerBrokers(former["TAPLINE_AMQP_URL"]) : content
        let text = brokers.keeping(former).fileText(authorityPath: authorityPath)
        try Files.writeAtomically(Array(text.utf8), to: path, mode: 0o600)
    }
}
