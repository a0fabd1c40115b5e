import CLI
import Compression
import FileSystem
import Glibc
import HTTPClient
import LinuxSystem
import Runtime
import SnapshotInstall
import Snapshots

/// From a server to the disk.
extension Download {
    /// Longest fetch of a manifest, or of a signature: three kilobytes, which 16 kbit/s bring in two seconds. A source that
    /// lets them drip must not keep us from the others.
    static let manifestLimitMs = 20_000
    /// Longest fetch of anything else that has a limit: a minute, and what it takes at so many bytes a second.
    static let limitBaseMs = 60_000
    /// A delta has to come at a quarter of 16 kbit/s ...
    static let deltaBytesPerS = 500
    /// ... and a full file at half of what a scanner of a fleet may count on, or else the next source goes on with it. From
    /// an only source it may take as long as it likes.
    static let fileBytesPerS = 10_000
    /// What the journal, on the same disk, is left at least. Bytes.
    static let reserveBytes: Int64 = 16 << 20

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
            source.url(name), ifNoneMatch: ifNoneMatch, limitBytes: Manifest.maxBytes,
            limitMs: Download.manifestLimitMs, isStopped: { stop.isStopped })
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
        let whole = manifest.compressed?.size ?? manifest.size
        let limitMs = sources.count > 1 ? Download.limitMs(bytes: whole, perS: Download.fileBytesPerS) : nil
        guard let package = manifest.compressed else {
            try demandRoom(for: manifest.size, at: path)
            return try fetch(manifest.file, to: path, size: manifest.size, from: source, limitMs: limitMs, stop)
        }
        let packed = packedPath(of: manifest)
        try demandRoom(for: manifest.size + package.size, at: packed)
        try fetch(package.file, to: packed, size: package.size, from: source, limitMs: limitMs, stop)
        do {
            guard try Files.sha256Hex(packed) == package.sha256 else {
                throw SnapshotRefusal(.hash, "\(package.file) is not what the manifest says")
            }
            try Files.remove(path)
            try Gzip.expand(packed, to: path, limitBytes: Int(manifest.size))
        } catch let error as GzipError where error.code == nil {
            try Files.remove(packed)
            throw SnapshotRefusal(.damaged, error.description)
        } catch let refusal as SnapshotRefusal {
            try Files.remove(packed)
            throw refusal
        }
    }

    func packedPath(of manifest: Manifest) -> String { store.folder + "/download-\(manifest.version).gz" }

    static func limitMs(bytes: Int64, perS: Int) -> Int { limitBaseMs + Int(bytes) / perS * 1_000 }

    /// Throws `SystemError`, ENOSPC, where so many bytes and the reserve do not fit on the disk. What lies at `path` is a
    /// part of them.
    func demandRoom(for bytes: Int64, at path: String) throws {
        let needed = bytes - Int64(Files.status(path)?.size ?? 0) + Download.reserveBytes
        guard let free = Files.freeBytes(store.folder), free < needed else { return }
        throw SystemError("fetch a snapshot: \(free) bytes are free and \(needed) needed; make room", code: ENOSPC)
    }

    /// Continues what an earlier attempt, or an earlier life, has brought. The file is `size` bytes long, and that is all that
    /// is known of it yet.
    func fetch(
        _ name: String, to path: String, size: Int64, from source: DownloadSource, limitMs: Int?, _ stop: StopSignal
    ) throws {
        let origin = Origin(path: path + ".origin", baseURL: source.baseURL)
        let part = origin.part
        if let there = Files.status(path), there.size == Int(size), part != .unknown { return }
        let response: HTTPResponse
        do {
            response = try client.download(
                source.url(name), to: path, part: part, limitBytes: Int(size), limitMs: limitMs, onStart: origin.keep,
                isStopped: { stop.isStopped })
        } catch {
            // The disk is full, or worse: the journal needs the room more.
            if error.kind == .file { try Files.remove(path) }
            throw error
        }
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
        var part: HTTPSession.Part {
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
