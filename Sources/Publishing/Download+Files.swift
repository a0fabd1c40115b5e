import HTTPClient
import Runtime
import Snapshots
import Zlib

/// From a server to the disk.
extension Download {
    func fetchManifest(from source: DownloadSource, _ stop: StopSignal) throws -> DownloadSource.Known {
        let manifest = try get(Manifest.fileName, ifNoneMatch: source.known?.etag, from: source, stop)
        if manifest.status == 304, let known = source.known { return known }
        let signature = try get(Manifest.signatureFileName, ifNoneMatch: nil, from: source, stop)
        return DownloadSource.Known(manifest: manifest.body, signature: signature.body, etag: manifest.etag)
    }

    private func get(
        _ name: String, ifNoneMatch: String?, from source: DownloadSource, _ stop: StopSignal
    ) throws -> HTTPResponse {
        let response = try client.get(
            source.url(name), ifNoneMatch: ifNoneMatch, limitBytes: Manifest.maxBytes, isStopped: { stop.isStopped })
        try check(response, source.url(name))
        return response
    }

    private func check(_ response: HTTPResponse, _ url: String) throws {
        switch response.status {
        case 200, 206, 304: return
        case 404: throw ProgramError.failed("\(url): not there; no snapshot was exported yet, or it is being replaced")
        case let status: throw ProgramError.unreachable("GET \(url): HTTP status \(status)")
        }
    }

    /// The full file at its candidate path: expanded, not verified.
    func fetchFile(of manifest: Manifest, from source: DownloadSource, _ stop: StopSignal) throws {
        let path = store.candidatePath(for: manifest)
        guard let package = manifest.compressed else {
            return try fetch(manifest.file, to: path, size: manifest.size, from: source, stop)
        }
        let packed = store.folder + "/download-\(manifest.version).gz"
        try fetch(package.file, to: packed, size: package.size, from: source, stop)
        do {
            guard try Files.sha256Hex(packed) == package.sha256 else {
                throw SnapshotRefusal(.hash, "\(package.file) is not what the manifest says")
            }
            try Files.remove(path)
            try Gzip.expand(packed, to: path, limitBytes: Int(manifest.size))
        } catch {
            try Files.remove(packed)
            if let error = error as? GzipError { throw SnapshotRefusal(.damaged, error.description) }
            throw error
        }
    }

    /// Continues what an earlier attempt, or an earlier life, has brought. The file is `size` bytes long, and that is all that
    /// is known of it yet.
    func fetch(
        _ name: String, to path: String, size: Int64, from source: DownloadSource, _ stop: StopSignal
    ) throws {
        let origin = Origin(path: path + ".origin", baseURL: source.baseURL)
        let part = origin.part
        if let there = Files.status(path), there.size == Int(size), part != .unknown { return }
        let response = try client.download(
            source.url(name), to: path, part: part, limitBytes: Int(size), onStart: origin.keep,
            isStopped: { stop.isStopped })
        if response.status == 416 { try Files.remove(path) }
        try check(response, source.url(name))
        guard response.fileBytes == Int(size) else {
            try Files.remove(path)
            throw SnapshotRefusal(.size, "\(name) has \(response.fileBytes) bytes, the manifest says \(size)")
        }
    }

    /// Where a part of a file came from, kept beside it.
    private struct Origin {
        let path: String
        let baseURL: String

        /// A part from elsewhere, or without a validator, is continued all the same: a name with a version in it never gets
        /// other bytes, and the whole is verified before it is used. If that fails it is fetched anew.
        var part: HTTPClient.Part {
            guard let text = try? Files.readText(path, limit: 8_192) else { return .unknown }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            guard lines.count == 3, lines[0] == baseURL, !lines[1].isEmpty,
                // Or a bit that flipped on the disk would make a header that cannot be sent.
                lines[1].utf8.allSatisfy({ $0 >= 0x20 })
            else { return .any }
            return .of(validator: String(lines[1]))
        }

        func keep(_ validator: String?) {
            let text = "\(baseURL)\n\(validator ?? "")\n"
            guard (try? Files.writeAtomically(Array(text.utf8), to: path, durable: false)) == nil else { return }
            try? Files.remove(path)
        }
    }
}
