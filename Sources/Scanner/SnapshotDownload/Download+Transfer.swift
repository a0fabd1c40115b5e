import Compression
import ErrorModel
import FileSystem
import Glibc
import HTTPClient
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots

/// HTTP requests, and the files that they write.
extension Download {
    /// Time limit for a manifest or a signature, in milliseconds. Three kilobytes take two seconds at 16 kbit/s. A
    /// slower source must not keep the scanner from the others.
    static let manifestLimitMs = 20_000
    /// Constant part of the time limit for other files, in milliseconds.
    static let limitBaseMs = 60_000
    /// Lowest accepted rate of a delta, and of a full file from a single source: a quarter of 16 kbit/s. A full file is
    /// continued at the next check, so the limit costs one request. In between, the manifest is read again.
    static let slowestBytesPerS = 500
    /// Lowest accepted rate of a full file if there are several sources: half of a scanner's share while the whole
    /// fleet downloads. Below it the next source continues the file.
    static let fileBytesPerS = 10_000
    /// Disk space that is left for the journal, in bytes.
    static let reserveBytes: Int64 = 16 << 20

    /// Requests manifest and signature of a source.
    func fetchManifest(from source: DownloadSource, _ stop: StopSignal) throws -> DownloadSource.SignedManifest {
        let manifest = try get(Manifest.fileName, ifNoneMatch: source.accepted?.etag, from: source, stop)
        if manifest.status == 304, let accepted = source.accepted { return accepted }
        let signature = try get(Manifest.signatureFileName, ifNoneMatch: nil, from: source, stop)
        return DownloadSource.SignedManifest(
            manifest: manifest.body, signature: signature.body, etag: manifest.etag)
    }

    private func get(
        _ name: String, ifNoneMatch: String?, from source: DownloadSource, _ stop: StopSignal
    ) throws -> HTTPClientResponse {
        let response: HTTPClientResponse
        do {
            response = try client.get(
                source.url(name), ifNoneMatch: ifNoneMatch, limitBytes: Manifest.maxBytes,
                limitMs: Download.manifestLimitMs, isStopped: { stop.isStopped })
        } catch { throw DownloadError(error) }
        try checkStatus(response, source.url(name))
        return response
    }

    private func checkStatus(_ response: HTTPClientResponse, _ url: String) throws {
        switch response.status {
        case 200, 206, 304: return
        case 404:
            throw DownloadError(
                .unusable, .failure, "\(url): not found; no snapshot is published, or one is being replaced")
        case 401:
            throw DownloadError(
                .temporary, .unavailable,
                "GET \(url): HTTP status 401: the center wants the token of an enrolled scanner"
                    + (settings.token == nil ? ", and none is set" : ""))
        case let status: throw DownloadError(.temporary, .unavailable, "GET \(url): HTTP status \(status)")
        }
    }

    /// Downloads the full file to its candidate path and expands it. Does not verify it.
    func transferFullFile(of manifest: Manifest, from source: DownloadSource, _ stop: StopSignal) throws {
        let path = store.candidatePath(for: manifest)
        let whole = manifest.compressed?.size ?? manifest.size
        let limitMs = limitMs(ofFullFile: whole)
        guard let package = manifest.compressed else {
            try requireSpace(for: manifest.size, at: path)
            return try transfer(manifest.file, to: path, size: manifest.size, from: source, limitMs: limitMs, stop)
        }
        let packed = packedPath(of: manifest)
        try requireSpace(for: manifest.size + package.size, at: packed)
        try transfer(package.file, to: packed, size: package.size, from: source, limitMs: limitMs, stop)
        do {
            guard try Files.sha256Hex(packed) == package.sha256 else {
                throw SnapshotRefusal(.hash, "\(package.file) differs from its SHA-256 in the manifest")
            }
            try Files.remove(path)
            try Gzip.expand(packed, to: path, limitBytes: Int(manifest.size))
        } catch let error as GzipError {
            // Also if the disk is full: the journal needs the space more than this file.
            try Files.remove(packed)
            throw error.code == nil ? SnapshotRefusal(.damaged, error.description) : error
        } catch let refusal as SnapshotRefusal {
            try Files.remove(packed)
            throw refusal
        }
    }

    /// The path of the compressed file while it is downloaded.
    func packedPath(of manifest: Manifest) -> String { store.folder + "/download-\(manifest.version).gz" }

    static func limitMs(bytes: Int64, perS: Int) -> Int { limitBaseMs + Int(bytes) / perS * 1_000 }

    /// Returns the time limit for a full file of this size, in milliseconds.
    func limitMs(ofFullFile bytes: Int64) -> Int {
        Download.limitMs(bytes: bytes, perS: sources.count > 1 ? Download.fileBytesPerS : Download.slowestBytesPerS)
    }

    /// Checks that the disk has room for a file and the journal's reserve. An existing part at `path` counts.
    ///
    /// - Throws: `SystemError` ENOSPC.
    func requireSpace(for bytes: Int64, at path: String) throws {
        try Files.requireSpace(
            bytes - Int64(Files.status(path)?.size ?? 0), leaving: Download.reserveBytes, for: path)
    }

    /// Downloads a file, or continues a partial one of an earlier attempt or process. Checks only its size.
    func transfer(
        _ name: String, to path: String, size: Int64, from source: DownloadSource, limitMs: Int, _ stop: StopSignal
    ) throws {
        let origin = PartialFileOrigin(path: path + ".origin", baseURL: source.baseURL)
        let part = origin.part
        if let existing = Files.status(path), existing.size == Int(size), part != .unknown { return }
        let response: HTTPClientResponse
        do {
            response = try client.download(
                source.url(name), to: path, part: part, limitBytes: Int(size), limitMs: limitMs, onStart: origin.save,
                isStopped: { stop.isStopped })
        } catch {
            // The disk is full or broken. The journal needs the space more than this file.
            if error.kind == .file { try Files.remove(path) }
            throw DownloadError(error)
        }
        // 416: the partial file is longer than the published one.
        if response.status == 416 { try Files.remove(path) }
        try checkStatus(response, source.url(name))
        guard response.fileBytes == Int(size) else {
            try Files.remove(path)
            throw SnapshotRefusal(.size, "\(name) has \(response.fileBytes) bytes, the manifest says \(size)")
        }
    }

    /// The source and the validator (RFC 9110 section 8.8) of a partial file, stored beside it.
    private struct PartialFileOrigin {
        let path: String
        let baseURL: String

        /// What is known of the partial file.
        ///
        /// A part from another source, or without a validator, is continued too. File names contain the version and
        /// their content never changes, and the whole file is verified before use. If that fails, it is downloaded
        /// again.
        var part: HTTPSession.Part {
            guard let text = try? Files.readText(path, limit: 8_192) else { return .unknown }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            guard lines.count == 3, lines[0] == baseURL, !lines[1].isEmpty,
                // A bit that flipped on the disk must not make an invalid header.
                lines[1].utf8.allSatisfy({ $0 >= 0x20 })
            else { return .any }
            return .of(validator: String(lines[1]))
        }

        func save(_ validator: String?) {
            let text = "\(baseURL)\n\(validator ?? "")\n"
            guard (try? Files.writeAtomically(Array(text.utf8), to: path, durable: false)) == nil else { return }
            try? Files.remove(path)
        }
    }
}
