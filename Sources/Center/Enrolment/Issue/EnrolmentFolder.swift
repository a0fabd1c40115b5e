import EnrolmentExchange
import FileSystem

/// Writes enrolment files for a stick: `ID.env` for each scanner, and `ca.pem` for all.
package struct EnrolmentFolder: Sendable {
    /// Name of the file with the certificate authorities of the site.
    package static let authorityName = "ca.pem"

    private let path: String
    private let deviceFolder: String

    /// Uses a folder.
    ///
    /// - Parameters:
    ///   - path: the folder, which is created if it is missing, with mode 0700.
    ///   - deviceFolder: folder on the devices that the files will be copied to.
    package init(_ path: String, deviceFolder: String) {
        self.path = path
        self.deviceFolder = deviceFolder
    }

    /// Writes the files of scanners, with mode 0600. Existing files are replaced.
    ///
    /// - Throws: `SystemError`.
    package func write(_ issued: [IssuedEnrolment]) throws {
        try Files.makeFolder(path, mode: 0o700)
        if let authorities = issued.first?.content.authorities {
            try Files.writeAtomically(Array(authorities.utf8), to: "\(path)/\(Self.authorityName)", mode: 0o644)
        }
        let authorityPath = "\(deviceFolder)/\(Self.authorityName)"
        // The folder is synced once, not for each of a thousand files.
        for enrolment in issued {
            try Files.writeAtomically(
                Array(enrolment.content.fileText(authorityPath: authorityPath).utf8),
                to: "\(path)/\(enrolment.scanner).env", mode: 0o600, durable: false)
        }
        for enrolment in issued { try Files.sync("\(path)/\(enrolment.scanner).env") }
        try Files.sync(path)
    }
}
