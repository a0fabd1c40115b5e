import Compression
import FileSystem
package import HTTPServer
import LinuxSystem
package import Minisign
import SQLite
package import ScanModel
import SnapshotWriting
package import Snapshots
import Synchronization
package import TestSupport

/// A center that serves a snapshot folder over HTTP and records the requests.
///
/// Every attendee has a chip (`uid`). The event key is the bytes 0 to 31. One gate, `North`, leads into one zone.
package final class TestCenter: Sendable {
    package static let event = "Campfire"
    package static let eventKey = [UInt8](0..<32)

    package let folder = TemporaryFolder("center")
    package let key: MinisignSecretKey
    private let served: Served
    private let server: HTTPListener

    /// State that the threads of the server share with the test.
    private final class Served: Sendable {
        struct State {
            var requests: [HTTPRequest] = []
            /// Responses that replace files, by file name, one per request. The last one repeats.
            var instead: [String: [HTTPResponse]] = [:]
        }
        let state = Mutex(State())
    }

    package init(key: MinisignSecretKey? = nil) throws {
        self.key = try key ?? MinisignSecretKey.generate()
        let (served, path) = (Served(), folder.path)
        self.served = served
        guard let address = HTTPAddress("127.0.0.1:0") else { throw TestFailure("no loopback address") }
        server = try HTTPListener(address) { request in
            let name = String(request.path.split(separator: "/").last ?? "")
            let instead: HTTPResponse? = served.state.withLock { state in
                state.requests.append(request)
                guard var answers = state.instead[name], let answer = answers.first else { return nil }
                if answers.count > 1 { answers.removeFirst() }
                state.instead[name] = answers
                return answer
            }
            if let instead { return instead }
            guard request.path.hasPrefix("/snapshot/"), let file = try? HTTPFile(path: path + "/" + name) else {
                return .text("not found", status: 404)
            }
            return HTTPResponse(contentType: "application/octet-stream", body: .file(file))
        }
    }

    deinit { server.stop() }

    package var port: UInt16 { server.port }
    package var url: String { "http://127.0.0.1:\(server.port)" }
    package var requests: [HTTPRequest] { served.state.withLock { $0.requests } }

    /// Names of the requested files in order, without the first `count` requests.
    package func asked(since count: Int = 0) -> [String] {
        requests.dropFirst(count).map { String($0.path.split(separator: "/").last ?? "") }
    }

    /// Sets the responses that replace a file of the folder; an empty array restores the file.
    package func answer(_ name: String, _ answers: [HTTPResponse]) {
        served.state.withLock { $0.instead[name] = answers }
    }

    package func answer(_ name: String, bytes: [UInt8]) {
        answer(name, [HTTPResponse(contentType: "application/octet-stream", body: .bytes(bytes))])
    }

    package func redirect(_ name: String, to target: String) {
        var answer = HTTPResponse.text("", status: 302)
        answer.headers = [("Location", target)]
        self.answer(name, [answer])
    }

    package func bytes(_ name: String) throws -> [UInt8] { try Files.read(folder.file(name)) }

    // MARK: Lists

    /// The hexadecimal UID of a person's chip.
    package static func uid(_ person: Int) -> String {
        let digits = String(person, radix: 16)
        return "04aabb" + String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Tag IDs by person, computed once, because each requires an HMAC.
    private static let tags = Mutex<[TagID]>([])
    package static func tag(_ person: Int) -> TagID { tags(person + 1)[person] }
    private static func tags(_ count: Int) -> [TagID] {
        guard let key = EventKey(eventKey) else { return [] }
        return tags.withLock { tags in
            for person in tags.count..<max(tags.count, count) {
                var bytes: [UInt8] = [0x04, 0xaa, 0xbb]
                for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: person >> shift)) }
                tags.append(key.tagID(of: .uid(bytes)))
            }
            return Array(tags.prefix(count))
        }
    }

    /// Writes a snapshot file.
    ///
    /// - Parameters:
    ///   - people: number of attendees.
    ///   - lost: the attendees whose tags are lost.
    package func write(
        _ path: String, version: Int64, people: Int, lost: Set<Int> = [], event: String = event,
        createdS: Int64? = nil, expiresS: Int64? = nil
    ) throws {
        let nowS = SystemClock.nowMicroseconds() / 1_000_000
        let writer = try SnapshotWriter(path: path)
        for (person, tag) in TestCenter.tags(people).enumerated().sorted(by: { $0.element < $1.element }) {
            try writer.add(
                tag,
                Attendee(status: lost.contains(person) ? .lost : .active, pass: 1, attendee: Int64(person + 1)))
        }
        try writer.addPass(id: 1, name: "Crew")
        try writer.add(Zone(id: 1, name: "Field"))
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1))
        try writer.addGate(id: 1, name: "North", zone: 1)
        try writer.addScanner("north-1", gate: 1)
        try writer.finish(
            event: event, version: version, createdS: createdS ?? nowS - 10, expiresS: expiresS ?? nowS + 86_400)
    }

    // MARK: Publishing

    /// Writes a snapshot, its compressed file, its manifest and its signature.
    ///
    /// - Parameters:
    ///   - deltas: the versions from which deltas are made. Their files must be in the folder.
    ///   - hasMeta: whether the deltas contain the rows of `meta`.
    @discardableResult
    package func publish(
        version: Int64, people: Int = 5, lost: Set<Int> = [], deltas: [Int64] = [], hasMeta: Bool = true,
        isCompressed: Bool = true, event: String = event, createdS: Int64? = nil, expiresS: Int64? = nil,
        signedBy other: MinisignSecretKey? = nil, change: (inout Manifest) throws -> Void = { _ in }
    ) throws -> Manifest {
        let name = SnapshotFileName.of(version)
        let path = folder.file(name)
        for old in [path, path + ".gz"] { try Files.remove(old) }
        try write(
            path, version: version, people: people, lost: lost, event: event, createdS: createdS, expiresS: expiresS)
        var manifest = try Manifest(describing: path)
        if isCompressed {
            let part = try Gzip.compressPart(
                of: path, 0..<Int(manifest.size), isLast: true, to: path + ".part", level: 1)
            try Gzip.join([part], to: path + ".gz")
            manifest.compressed = try package(name + ".gz")
        }
        for from in deltas {
            let delta = try package(changeset(from: from, to: version, hasMeta: hasMeta))
            manifest.deltas =
                (manifest.deltas ?? []) + [
                    Manifest.Delta(from: from, file: delta.file, size: delta.size, sha256: delta.sha256)
                ]
        }
        try change(&manifest)
        try sign(manifest, by: other)
        return manifest
    }

    /// Writes and signs the manifest.
    package func sign(_ manifest: Manifest, by other: MinisignSecretKey? = nil) throws {
        let bytes = try manifest.json()
        try Files.writeAtomically(bytes, to: folder.file(Manifest.fileName), durable: false)
        try Files.writeAtomically(
            try MinisignSignature.file(
                signing: bytes, with: other ?? key, trustedComment: "version \(manifest.version)"),
            to: folder.file(Manifest.signatureFileName), durable: false)
    }

    package func package(_ name: String) throws -> Manifest.Package {
        Manifest.Package(
            file: name, size: Int64(Files.status(folder.file(name))?.size ?? 0),
            sha256: try Files.sha256Hex(folder.file(name)))
    }

    /// Writes a delta, and returns its file name.
    private func changeset(from: Int64, to version: Int64, hasMeta: Bool) throws -> String {
        let (old, new) = (folder.file(SnapshotFileName.of(from)), folder.file(SnapshotFileName.of(version)))
        var target = new
        if !hasMeta {
            // Equal rows of `meta` are not in the changeset.
            target = folder.file("same-meta")
            try Files.copy(new, to: target)
            let database = try Database(target, .readWrite)
            try database.prepare("ATTACH ? AS old").run(.text(old))
            try database.execute("DELETE FROM main.meta; INSERT INTO main.meta SELECT * FROM old.meta")
        }
        let name = Manifest.Delta.fileName(from: from, to: version)
        try Files.writeAtomically(try Changeset.between(old, and: target), to: folder.file(name), durable: false)
        return name
    }
}
