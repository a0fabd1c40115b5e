import CLI
import CenterHTTP
import FileSystem
import LinuxSystem
import Minisign
import Postgres
import ScanModel
import SnapshotExport
import Snapshots

/// Certificate, keys and the folder of snapshots.
struct FileChecks {
    /// Used disk space at which a disk is a warning, and a fault, in percent.
    private static let diskWarningPercent = 85
    private static let diskFaultPercent = 95
    /// Time before its end at which a certificate is a warning, in seconds.
    private static let certificateWarningS: Int64 = 14 * 86_400

    let inputs: DoctorInputs
    /// Knows the event key and the published version; `nil` without a database.
    let connection: PostgresConnection?

    func run() -> [DoctorCheck] {
        var checks = [certificate]
        if let folder = inputs.snapshots {
            checks.append(FileChecks.disk("snapshot disk", folder, found: "folder of the snapshots"))
        } else {
            checks.append(.skipped("snapshot disk", "--snapshots", "give --snapshots"))
        }
        return checks + [signingKey, eventKey]
    }

    /// Free space of the disk of a folder.
    static func disk(_ name: String, _ folder: String, found: String) -> DoctorCheck {
        guard let used = Files.usedPercent(folder), let free = Files.freeBytes(folder) else {
            return .fault(name, folder, "the folder cannot be read", do: "create it, or correct the path")
        }
        let text = "\(found); the disk is \(used) % full, \(free >> 20) MiB are free"
        let remedy = "free some space, or move the data to a larger disk"
        if used >= diskFaultPercent { return .fault(name, folder, text, do: remedy) }
        if used >= diskWarningPercent { return .warning(name, folder, text, do: remedy) }
        return .good(name, folder, text)
    }

    private var certificate: DoctorCheck {
        let name = "certificate"
        guard let chain = inputs.certificate, let key = inputs.certificateKey else {
            return .skipped(name, "--http-certificate-file", "give --http-certificate-file and --http-key-file")
        }
        do {
            let leftS =
                try ServerCertificateFiles(chain: chain, key: key).load().expiresS
                - SystemClock.nowMicroseconds() / 1_000_000
            let found = leftS < 0 ? "it has expired" : "valid for \(leftS / 86_400) days"
            let remedy = "renew the certificate (docs/operating/tls.md); the center loads it without a restart"
            if leftS < 0 { return .fault(name, chain, found, do: remedy) }
            if leftS < FileChecks.certificateWarningS { return .warning(name, chain, found, do: remedy) }
            return .good(name, chain, found)
        } catch {
            return .fault(name, chain, "\(error)", do: "give a certificate and its private key in PEM")
        }
    }

    /// The key, and the published snapshot that must be signed by it.
    private var signingKey: DoctorCheck {
        let name = "signing key"
        guard let path = inputs.signingKey else { return .skipped(name, "--signing-key", "give --signing-key") }
        let key: MinisignSecretKey
        do { key = try MinisignSecretKey(path: path, password: inputs.signingKeyPassword) } catch {
            return .fault(name, path, "\(error)", do: "give the minisign secret key, of mode 600")
        }
        guard let folder = inputs.snapshots else {
            return .good(name, path, "key \(key.publicKey.id); give --snapshots to check the signature")
        }
        let looked = "\(path) and the manifest in \(folder)"
        do {
            let manifest = try PublicationCheck(path: folder, keys: [key.publicKey]).manifest
            return .good(name, looked, "key \(key.publicKey.id) has signed version \(manifest.version), which is whole")
        } catch {
            return .fault(
                name, looked, "\(error)",
                do: "publish again: tapline-snapshot export, or restart the center with this key")
        }
    }

    private var eventKey: DoctorCheck {
        let name = "event key"
        guard let path = inputs.eventKeyFile else { return .skipped(name, "--event-key-file", "give --event-key-file") }
        guard let bytes = try? Files.read(path, limit: 4_096), let key = EventKey(bytes) else {
            return .fault(name, path, "not a key of \(EventKey.length) bytes", do: "give the file of `event key --out`")
        }
        if let exposure = Files.exposure(path) {
            return .fault(name, path, exposure, do: "run this command as the owner of the file")
        }
        guard let known = try? connection?.query("SELECT key_fingerprint FROM tapline.event_settings") else {
            return .skipped(
                name, path, "the database does not tell the key of the event; the file has \(key.fingerprint)")
        }
        guard known.rowCount > 0, !known.isNull(0, 0) else {
            return .good(name, path, "fingerprint \(key.fingerprint); the event has none yet")
        }
        guard known.text(0, 0) == key.fingerprint else {
            return .fault(
                name, path, "fingerprint \(key.fingerprint), and the event has \(known.text(0, 0))",
                do: "use the key of the event: tags of another key are unknown at each gate")
        }
        return .good(name, path, "fingerprint \(key.fingerprint), as the event has it")
    }
}
