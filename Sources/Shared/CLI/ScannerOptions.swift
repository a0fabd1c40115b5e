import FileSystem
package import ScanModel

/// Options of the programs that work in the data folder of a scanner.
extension Option {
    /// `--data`: the data folder.
    package static let dataFolder = Option(
        "data", "DIR", "data folder of the scanner, with its journals and snapshots", required: true)
    /// `--scanner`: the identity of the device.
    package static let scanner = Option(
        "scanner", "ID", "identity of this device: 1 to 63 of a-z, 0-9 and -, not - first", required: true)
    /// `--amqp-url`: the brokers, repeatable.
    package static let brokers = Option(
        "amqp-url", "URL", "broker, amqps://, or amqp:// on this machine; several are tried in turn", kind: .secrets,
        required: true, companions: brokerSecurity)
    /// The options of TLS to the brokers.
    package static let brokerSecurity = [
        Option("amqp-ca-file", "FILE", "certificate authorities for amqps, PEM (default those of the system)"),
        Option(
            "amqp-certificate-file", "FILE",
            "client certificate for amqps, PEM; without a password in the URL it logs in instead (SASL EXTERNAL)"),
        Option("amqp-key-file", "FILE", "private key of the client certificate, PEM, mode 600"),
        .toggle(
            "insecure-amqp", "permit plain amqp, the user guest and an unverified certificate to other machines"),
    ]
}

extension Arguments {
    /// Returns the identity that the option `--scanner` names.
    ///
    /// - Returns: the identity; `nil` if the option has no value.
    /// - Throws: `ProgramError` (configuration) for an invalid identity.
    package func scanner() throws -> ScannerID? { try self["scanner"].map(scannerID) }

    /// Returns the identity that the option `--scanner` names.
    ///
    /// - Throws: `ProgramError` (configuration) for a missing or invalid identity.
    package func requiredScanner() throws -> ScannerID { try scannerID(required("scanner")) }

    private func scannerID(_ text: String) throws -> ScannerID {
        guard let id = ScannerID(text) else {
            throw ProgramError.configuration("--scanner \(text): must be 1 to 63 of a-z, 0-9 and -, not - first")
        }
        return id
    }
}

extension Command {
    /// What a scanner's `status` prints, and all that is wrong.
    package typealias ScannerStatus = (json: () throws -> String, lines: [String], faults: [String])

    /// The command `status` of a program that works in the data folder of a scanner.
    ///
    /// - Parameters:
    ///   - summary: one line for the help.
    ///   - defaultScanner: whose scans are counted without `--scanner`, for the help.
    ///   - report: reads the data folder, and returns the status in both formats.
    package static func scannerStatus(
        _ summary: String, defaultScanner: String,
        report: @escaping @Sendable (_ folder: String, ScannerID?) throws -> ScannerStatus
    ) -> Command {
        Command(
            "status", "\(summary); exits with 1 and a line `alarm` for each fault",
            options: [
                .dataFolder, .enrolment,
                Option("scanner", "ID", "identity whose scans are counted (default that of \(defaultScanner))"),
                .output,
            ]
        ) { arguments in
            let folder = try arguments.required("data")
            let scanner = try arguments.scanner()
            let format = try arguments.outputFormat()
            return {
                guard Files.exists(folder) else { throw ProgramError.missingFolder("data", folder) }
                let status = try report(folder, scanner)
                try TextOutput.result(format, json: status.json) { status.lines }
                if !status.faults.isEmpty { throw ProgramError.alarms(status.faults) }
            }
        }
    }
}

extension ProgramError {
    /// Returns the error (failed) for an option that names a folder that does not exist.
    ///
    /// - Parameters:
    ///   - flag: the flag without its dashes.
    ///   - path: the value of the option.
    package static func missingFolder(_ flag: String, _ path: String) -> ProgramError {
        .failed("--\(flag) \(path): no such folder")
    }
}
