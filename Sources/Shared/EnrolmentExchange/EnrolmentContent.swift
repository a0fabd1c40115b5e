import FoundationEssentials
package import ScanModel

/// The settings of one device, as the center hands them over: the lines of the enrolment file, and the certificate
/// authorities of the site.
package struct EnrolmentContent: Codable, Sendable, Equatable {
    /// Maximum size of the JSON form, in bytes.
    package static let limitBytes = 262_144

    /// Version of this form.
    private let v: Int
    /// The scanner.
    private let scanner: String
    /// Values by the key of the enrolment file, without `TAPLINE_`.
    package private(set) var settings: [String: String]
    /// Certificate authorities of the site, PEM; `nil` where the system's are right.
    package let authorities: String?

    /// Creates the enrolment of a scanner.
    ///
    /// - Parameters:
    ///   - scanner: the identity.
    ///   - settings: values by key of the enrolment file, without `TAPLINE_`; `SCANNER` is added.
    ///   - authorities: certificate authorities of the site, PEM; `nil` where the system's are right.
    package init(_ scanner: ScannerID, settings: [String: String], authorities: String?) {
        v = 1
        self.scanner = scanner.text
        self.settings = settings
        self.settings["SCANNER"] = scanner.text
        self.authorities = authorities
    }

    /// Parses the JSON form.
    ///
    /// - Returns: `nil` for another form or version, and for a key or a value that an enrolment file cannot hold.
    package init?(json: [UInt8]) {
        guard json.count <= Self.limitBytes,
            let content = try? JSONDecoder().decode(EnrolmentContent.self, from: Data(json)), content.v == 1,
            ScannerID(content.scanner) != nil, content.settings["SCANNER"] == content.scanner,
            content.settings.allSatisfy({ Self.isKey($0) && Self.isValue($1) })
        else { return nil }
        self = content
    }

    /// The JSON form.
    ///
    /// - Throws: `EncodingError`.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// The scanner.
    package var id: ScannerID? { ScannerID(scanner) }

    /// Returns the enrolment with one more setting.
    package func with(_ key: String, _ value: String) -> EnrolmentContent {
        var content = self
        content.settings[key] = value
        return content
    }

    /// Returns the enrolment with those settings of a former file that it does not have itself.
    ///
    /// - Parameter former: values by key, with `TAPLINE_`.
    package func keeping(_ former: [String: String]) -> EnrolmentContent {
        var content = self
        for (key, value) in former where key.hasPrefix(Self.prefix) {
            let name = String(key.dropFirst(Self.prefix.count))
            if content.settings[name] == nil { content.settings[name] = value }
        }
        return content
    }

    private static let prefix = "TAPLINE_"

    /// Returns the enrolment with the brokers of a former one after its own. While the center changes the password, the
    /// broker accepts either.
    ///
    /// - Parameter urls: the brokers of the former enrolment, separated by blanks; `nil` without one.
    package func withFormerBrokers(_ urls: String?) -> EnrolmentContent {
        let own = (settings["AMQP_URL"] ?? "").split(separator: " ")
        // The brokers of the enrolment before that one are no longer valid.
        let former = (urls ?? "").split(whereSeparator: \.isWhitespace).prefix(max(1, own.count))
        let all = own + former.filter { !own.contains($0) }
        return with("AMQP_URL", all.joined(separator: " "))
    }

    /// Returns the lines of the enrolment file.
    ///
    /// - Parameter authorityPath: path of the file with `authorities` on the device.
    package func fileText(authorityPath: String) -> String {
        var all = settings
        if authorities != nil {
            all["AMQP_CA_FILE"] = authorityPath
            all["CENTER_CA_FILE"] = authorityPath
        }
        let first = ["SCANNER": 0, "AMQP_URL": 1, "AMQP_CA_FILE": 2, "CENTER_URL": 3]
        let keys = all.keys.sorted { (first[$0] ?? 9, $0) < (first[$1] ?? 9, $1) }
        return "# Settings and secrets of this device. Keep mode 600.\n"
            + keys.map { "\(Self.prefix)\($0)=\(all[$0] ?? "")\n" }.joined()
    }

    private static func isKey(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (65...90).contains($0) || (48...57).contains($0) || $0 == 95 }
    }

    /// Printable ASCII without quotes at the beginning: the file has no escapes.
    private static func isValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x20...0x7E).contains($0) } && text.first != "\"" && text.first != "'"
    }
}
