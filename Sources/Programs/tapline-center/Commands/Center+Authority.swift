import CLI
import Certificates
import Crypto
import FileSystem
import Runtime

/// The commands of a certificate authority for a site without one: docs/operating/tls.md.
extension Center {
    static let authority = [authorityInit, authorityIssue]

    private static let certificateName = "ca.pem"
    private static let keyName = "ca.key"

    private static let authorityInit = Command(
        "ca init", "create a certificate authority for this site: its certificate and its private key",
        options: [
            Option("out", "DIR", "folder for \(certificateName) and \(keyName), which must not exist", required: true),
            Option("name", "TEXT", "common name of the authority, at most 64 bytes", default: "Tapline site authority"),
            Option("days", "N", "days of validity, 1 to 36500", default: "3650"),
        ]
    ) { arguments in
        let (folder, name) = (try arguments.required("out"), try arguments.required("name"))
        let days = try arguments.int("days", 1...36_500) ?? 3_650
        let paths = (certificate: folder + "/" + certificateName, key: folder + "/" + keyName)
        for path in [paths.certificate, paths.key] where Files.exists(path) {
            throw ProgramError.configuration(
                "--out \(folder): \(path) exists; an authority is never overwritten, because all that trust it would "
                    + "need the new certificate")
        }
        return {
            let authority = try CertificateAuthority(name: name, days: days)
            try Files.makeFolder(folder, mode: 0o700)
            try Files.create(paths.key, try authority.key.pem(), mode: 0o600)
            try Files.create(paths.certificate, try authority.certificate.pem(), mode: 0o644)
            TextOutput.line(
                "\(paths.certificate)  give it to all programs and scanners; valid until \(end(authority.certificate))")
            TextOutput.line("\(paths.key)  keep it secret, and off the servers: it can issue certificates for any name")
        }
    }

    private static let authorityIssue = Command(
        "ca issue", positionals: "NAME", count: 1...1,
        "issue a certificate with a new private key: for a TLS server, or with --client for a user of the broker",
        options: [
            Option("ca", "DIR", "folder of the authority", required: true),
            Option("dns", "HOST", "host name of the server (default NAME)", kind: .repeated),
            Option("ip", "NUMBER", "IP number of the server, which brokers' clients cannot verify", kind: .repeated),
            .toggle("client", "issue for a TLS client: NAME is its user, for a scanner its identity"),
            Option("out", "DIR", "folder for NAME.pem and NAME.key (default that of the authority)"),
            Option("days", "N", "days of validity, 1 to 36500", default: "825"),
            .toggle("replace", "replace existing files, to renew; programs that serve them load the new ones"),
        ]
    ) { arguments in
        let name = arguments.positionals[0]
        guard isFileName(name) else {
            throw ProgramError.usage(
                "'\(name)': a name has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', not '.' or '-' first")
        }
        let (names, addresses) = (arguments.all("dns"), arguments.all("ip"))
        guard !arguments.has("client") || names.isEmpty && addresses.isEmpty else {
            throw ProgramError.usage("--client excludes --dns and --ip: a client has no host name")
        }
        let purpose: CertificateAuthority.Purpose =
            arguments.has("client")
            ? .client : .server(names: names.isEmpty && addresses.isEmpty ? [name] : names, addresses: addresses)
        let source = try arguments.required("ca")
        let folder = arguments["out"] ?? source
        let days = try arguments.int("days", 1...36_500) ?? 825
        let paths = (certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name).key")
        guard ![certificateName, keyName].contains(Files.name(of: paths.certificate)), name != "ca" else {
            throw ProgramError.usage("'ca' is the name of the authority's own files")
        }
        let replaces = arguments.has("replace")
        for path in [paths.certificate, paths.key] where Files.exists(path) && !replaces {
            throw ProgramError.configuration("\(path) exists: use --replace to renew, or another NAME or --out")
        }
        return {
            let authority = try open(source)
            let issued = try authority.issue(name, purpose, days: days)
            if !Files.exists(folder) { try Files.makeFolder(folder, mode: 0o700) }
            // The key first: a server loads the pair when both belong together.
            try Files.writeAtomically(try issued.key.pem(), to: paths.key, mode: 0o600)
            try Files.writeAtomically(try issued.certificate.pem(), to: paths.certificate, mode: 0o644)
            TextOutput.line("\(paths.certificate)  \(text(purpose)); valid until \(end(issued.certificate))")
            TextOutput.line("\(paths.key)  keep it secret: mode 600, for the user of the program that needs it")
            TextOutput.line("key fingerprint sha256//\(Base64.encode(try issued.certificate.keyFingerprint()))")
        }
    }

    private static func open(_ folder: String) throws -> CertificateAuthority {
        if let problem = Files.exposure("\(folder)/\(keyName)") {
            throw ProgramError.configuration("--ca \(folder): \(keyName): \(problem)")
        }
        return try CertificateAuthority(
            certificate: Certificate(pem: read(certificateName, of: folder)),
            key: PrivateKey(pem: read(keyName, of: folder)))
    }

    private static func read(_ name: String, of folder: String) throws -> [UInt8] {
        do { return try Files.read(folder + "/" + name, limit: 65_536) } catch {
            throw ProgramError.configuration(
                "--ca \(folder): \(error) (create an authority with tapline-center ca init --out DIR)")
        }
    }

    private static func isFileName(_ name: String) -> Bool {
        (1...CertificateAuthority.nameLimit).contains(name.utf8.count) && name.first != "." && name.first != "-"
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    }

    private static func text(_ purpose: CertificateAuthority.Purpose) -> String {
        switch purpose {
        case .client: "TLS client"
        case .server(let names, let addresses): "TLS server " + (names + addresses).joined(separator: ", ")
        }
    }

    private static func end(_ certificate: Certificate) -> String {
        UTCTime.text(microseconds: certificate.expiresS * 1_000_000)
    }
}
