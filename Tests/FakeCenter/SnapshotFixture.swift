import FileSystem
package import Minisign
import ScanModel
import SnapshotWriting
package import Snapshots
package import TestSupport

/// A small event with two zones, one gate for each, two passes, and five tags.
package enum Sample {
    package static let event = "Campfire 2026"
    package static let created: Int64 = 1_764_000_000
    package static let expires: Int64 = created + 48 * 3_600

    /// Writes a snapshot of the sample.
    ///
    /// - Parameter extra: number of further tags, so that two versions differ.
    @discardableResult
    package static func write(
        _ path: String, version: Int64, event: String = event, created: Int64 = created, expires: Int64 = expires,
        extra: Int64 = 0, eventID: String? = nil, key: String? = nil
    ) throws -> String {
        let writer = try SnapshotWriter(path: path)
        try writer.add(TagID(rawValue: -9_000), Attendee(status: .active, pass: 1, attendee: 1))
        try writer.add(TagID(rawValue: 5), Attendee(status: .blocked, pass: 1, attendee: 2))
        try writer.add(TagID(rawValue: 6), Attendee(status: .lost, pass: 2, attendee: 3))
        try writer.add(TagID(rawValue: 7), Attendee(status: .void, pass: 0, attendee: 4))
        try writer.add(TagID(rawValue: .max - 1_000_000), Attendee(status: .active, pass: 2, attendee: 5))
        for index in 0..<extra {
            try writer.add(
                TagID(rawValue: .max - 999_999 + index), Attendee(status: .active, pass: 2, attendee: 6 + index))
        }
        try writer.addPass(id: 1, name: "Crew", colour: "red", note: "knows the way", reentry: .free)
        try writer.addPass(id: 2)
        try writer.addAccess(id: 1, pass: 1, Access(zone: 10))
        try writer.addAccess(id: 2, pass: 1, Access(zone: 11, from: created, until: created + 3_600))
        try writer.addAccess(id: 3, pass: 2, Access(zone: 10, from: created))
        try writer.add(Zone(id: 10, name: "Field"))
        try writer.add(Zone(id: 11, name: "Backstage", parent: 10))
        try writer.addGate(id: 100, name: "North", zone: 10)
        try writer.addGate(
            id: 101, name: "Stage door", zone: 11, fromZone: 10,
            policy: #"{"antipassback":"timed","minutes":15,"debounce_ms":500,"tolerance_s":60,"uid_only":false}"#)
        try writer.addScanner("north-1", gate: 100)
        try writer.addScanner("spare", gate: nil)
        try writer.add(Day(day: "2025-11-24", starts: created - 100, ends: created + 86_300))
        try writer.add(Day(day: "2025-11-25", starts: created + 86_300, ends: created + 172_700))
        var manifest = Manifest(
            event: event, version: version, created: created, expires: expires, size: 0, sha256: "", content: "",
            attendees: 0)
        manifest.eventID = eventID
        manifest.key = key
        try writer.finish(manifest)
        return path
    }
}

/// A published snapshot of the sample, with its manifest and its signature.
package struct Publication {
    package var manifest: [UInt8]
    package var signature: [UInt8]
    /// The path of the snapshot file, a candidate for `install`.
    package var file: String

    package init(
        _ folder: TemporaryFolder, version: Int64, key: MinisignSecretKey, event: String = Sample.event,
        created: Int64 = Sample.created, expires: Int64 = Sample.expires, extra: Int64 = 0, eventID: String? = nil,
        eventKey: String? = nil, change: (inout Manifest) -> Void = { _ in }
    ) throws {
        file = folder.file("candidate-\(version)-\(extra)")
        try Files.remove(file)
        try Sample.write(
            file, version: version, event: event, created: created, expires: expires, extra: extra, eventID: eventID,
            key: eventKey)
        var manifest = try Manifest(describing: file)
        change(&manifest)
        self.manifest = try manifest.json()
        signature = try MinisignSignature.file(signing: self.manifest, with: key, trustedComment: "version \(version)")
    }
}
