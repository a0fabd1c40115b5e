import FuzzDriver
import Snapshots

/// Manifests of a snapshot server. Only a signed one is parsed, but a signing key can be lost.
@main enum FuzzManifest {
    static func main() {
        fuzz { bytes in
            guard let manifest = try? Manifest(json: bytes) else { return }
            guard let json = try? manifest.json(), json.count <= Manifest.maxBytes else { return }
            guard let same = try? Manifest(json: json) else { fatalError("not parsed: \(json)") }
            precondition(same == manifest)
            for name in manifest.files { precondition(!name.contains("/") && !name.hasPrefix(".")) }
            try? SnapshotVerification.times(of: manifest, InstallClock(nowS: 1_795_564_800, isSynchronised: true))
        }
    }
}
