import Crypto
import FileSystem
import Glibc
import LinuxSystem
import Minisign
import ScanModel
import SnapshotInstall
import SnapshotWriting
import Snapshots
import TestSupport
import Testing

/// The real tapline-snapshot, by its exit codes and what it prints.
@Suite struct SnapshotCommandTests {
    let folder = TemporaryFolder("snapshot-command")
    var prefix: String { folder.file("keys/event") }
    var out: String { folder.file("out") }

    private func run(_ arguments: String...) throws -> Run { try Run.it("tapline-snapshot", arguments) }

    /// A published folder, without a database.
    private func publish(created: Int64, expires: Int64) throws -> Manifest {
        try Files.makeFolder(out)
        if !Files.exists(prefix + ".key") { #expect(try run("keygen", "--out", prefix).end == .exit(0)) }
        let path = out + "/" + SnapshotFileName.of(created)
        let writer = try SnapshotWriter(path: path)
        let key = try #require(EventKey(Array(UInt8(7)..<39)))
        let tags: [(TagID, Attendee)] = [
            (key.tagID(of: .uid([4, 1, 2, 3])), Attendee(status: .active, pass: 1, attendee: 1)),
            (TagID(rawValue: 99), Attendee(status: .blocked, pass: 1, attendee: 2)),
        ]
        for (tag, attendee) in tags.sorted(by: { $0.0 < $1.0 }) { try writer.add(tag, attendee) }
        try writer.addPass(id: 1, name: "crew")
        try writer.addAccess(id: 1, pass: 1, Access(zone: 1, from: nil, until: created))
        try writer.add(Zone(id: 1, name: "site"))
        try writer.addGate(id: 1, name: "main", zone: 1)
        try writer.finish(event: "Fair", version: created, createdS: created, expiresS: expires)
        let manifest = try Manifest(describing: path)
        let bytes = try manifest.json()
        let secret = try MinisignSecretKey(path: prefix + ".key")
        try Files.writeAtomically(bytes, to: out + "/manifest.json")
        try Files.writeAtomically(
            MinisignSignature.file(signing: bytes, with: secret, trustedComment: "t"),
            to: out + "/manifest.json.minisig")
        return manifest
    }

    private var now: Int64 { SystemClock.nowMicroseconds() / 1_000_000 }

    @Test func keygenWritesMinisignKeysAndOverwritesNone() throws {
        #expect(try run("keygen", "--out", prefix).end == .exit(0))
        #expect(Files.status(prefix + ".key")?.mode == 0o600)
        let before = try Files.read(prefix + ".key")
        #expect(try run("keygen", "--out", prefix).end == .exit(78))
        #expect(try Files.read(prefix + ".key") == before)
        try Files.writeAtomically([1, 2], to: folder.file("m"))
        #expect(try Run.it("minisign", ["-S", "-s", prefix + ".key", "-m", folder.file("m")]).end == .exit(0))
        #expect(try Run.it("minisign", ["-V", "-p", prefix + ".pub", "-m", folder.file("m")]).end == .exit(0))
        #expect(try run("keygen", "--out", prefix, "--force").end == .exit(0))
        #expect(try Files.read(prefix + ".key") != before)
    }

    @Test func passwordFileEncryptsKey() throws {
        try Files.writeAtomically(Array("open sesame\n".utf8), to: folder.file("password"), mode: 0o600)
        #expect(try run("keygen", "--out", prefix, "--password-file", folder.file("password")).end == .exit(0))
        #expect(throws: SigningKeyError.self) { try MinisignSecretKey(path: prefix + ".key") }
        let key = try MinisignSecretKey(path: prefix + ".key", password: "open sesame")
        #expect(try key.publicKey == MinisignPublicKey(setting: prefix + ".pub"))
    }

    @Test func exportRejectsKeyReadableByOthers() throws {
        #expect(try run("keygen", "--out", prefix).end == .exit(0))
        chmod(prefix + ".key", 0o640)
        let refused = try run(
            "export", "--database-url", "postgresql://x@127.0.0.1:1/x", "--out", out, "--signing-key", prefix + ".key")
        #expect(refused.end == .exit(78))
        #expect(refused.errors.contains("chmod 600"))
        chmod(prefix + ".key", 0o600)
        let away = try run(
            "export", "--database-url", "postgresql://x@127.0.0.1:1/x", "--out", out, "--signing-key", prefix + ".key")
        #expect(away.end == .exit(69))
    }

    @Test func centerWithKeyButWithoutFolderIsRejected() throws {
        #expect(try run("keygen", "--out", prefix).end == .exit(0))
        func check(_ more: String...) throws -> Run {
            try Run.it(
                "tapline-center",
                [
                    "run", "--check", "--database-url", "postgresql://x@127.0.0.1:1/x", "--amqp-url",
                    "amqp://x:y@127.0.0.1:1/x",
                ] + more)
        }
        let refused = try check("--signing-key", prefix + ".key")
        #expect(refused.end == .exit(78))
        #expect(refused.errors.contains("--snapshots DIR"), "\(refused.errors)")
        #expect(try check("--signing-key", prefix + ".key", "--snapshots", out).end == .exit(0))
    }

    @Test func verifyAcceptsFolderManifestKeyLineAndKeyFile() throws {
        let manifest = try publish(created: now, expires: now + 600)
        let line = try MinisignPublicKey(setting: prefix + ".pub").base64
        for (path, key) in [(out, prefix + ".pub"), (out + "/manifest.json", line)] {
            let verified = try run("verify", path, "--trust-key", key)
            #expect(verified.end == .exit(0), "\(verified.errors)")
            #expect(verified.lines.first?.contains("\(manifest.version)") == true)
        }
        #expect(try run("verify", out).end == .exit(78))
        #expect(try run("verify", folder.file("nowhere"), "--trust-key", line).end == .exit(78))
    }

    @Test func verifyReportsReason() throws {
        func reason(_ arguments: String...) throws -> String {
            let refused = try Run.it("tapline-snapshot", ["verify", out, "--trust-key"] + arguments)
            #expect(refused.end == .exit(1))
            let start = try #require(refused.errors.firstRange(of: "refused ("), "\(refused.errors)")
            return String(refused.errors[start.upperBound...].prefix { $0 != ")" })
        }
        let manifest = try publish(created: now, expires: now + 600)
        let file = out + "/" + manifest.file
        let whole = try Files.read(file)
        try Files.writeAtomically(whole.dropLast(), to: file)
        #expect(try reason(prefix + ".pub") == "size")
        var bent = whole
        bent[whole.count / 2] ^= 1
        try Files.writeAtomically(bent, to: file)
        #expect(try reason(prefix + ".pub") == "hash")
        try Files.writeAtomically(try Files.read(out + "/manifest.json") + [32], to: out + "/manifest.json")
        #expect(try reason(prefix + ".pub") == "signature")
        #expect(try run("keygen", "--out", folder.file("other")).end == .exit(0))
        #expect(try reason(folder.file("other.pub")) == "untrusted-key")
        try Files.remove(file)
        _ = try publish(created: now - 700, expires: now - 100)
        #expect(try reason(prefix + ".pub") == "expired")
        _ = try publish(created: now + 86_400, expires: now + 90_000)
        #expect(try reason(prefix + ".pub") == "future")
    }

    @Test func inspectAndExplainShowSnapshot() throws {
        let manifest = try publish(created: now, expires: now + 600)
        let file = out + "/" + manifest.file
        let inspected = try run("inspect", file, "--output", "json")
        #expect(inspected.lines.count == 1)
        #expect(inspected.lines[0].contains(#""tags":2,"active":1,"blocked":1"#))
        #expect(inspected.lines[0].contains(#""content":"\#(manifest.content)""#))
        try Files.writeAtomically(Array(UInt8(7)..<39), to: folder.file("event.key"), mode: 0o600)
        func verdict(_ arguments: String...) throws -> String {
            let run = try Run.succeeding("tapline-snapshot", ["explain", file, "--output", "json"] + arguments)
            let output = run.lines[0]
            let start = try #require(output.firstRange(of: #""verdict_name":""#))
            return String(output[start.upperBound...].prefix { $0 != "\"" })
        }
        let key = folder.file("event.key")
        #expect(try verdict("--uid", "04010203", "--event-key-file", key) == "outside-time")
        #expect(try verdict("--uid", "04010203", "--event-key-file", key, "--at", "2025-01-01T00:00:00Z") == "admitted")
        #expect(try verdict("--sun", "04010203", "--event-key-file", key) == "unknown")
        #expect(try verdict("--tag", "99") == "blocked")
        #expect(try run("explain", file).end == .exit(64))
        #expect(try run("inspect", folder.file("none")).end == .exit(1))
    }

    @Test func diffCountsAndShowsChanges() throws {
        let manifest = try publish(created: now, expires: now + 600)
        let (old, new) = (out + "/" + manifest.file, folder.file("new.sqlite"))
        let writer = try SnapshotWriter(path: new)
        try writer.add(TagID(rawValue: 99), Attendee(status: .active, pass: 1, attendee: 2))
        try writer.finish(event: "Fair", version: 2, createdS: 1, expiresS: 2)
        let output = try run("diff", old, new).lines
        #expect(output.contains("attendees: 0 added, 1 removed, 1 changed"))
        #expect(output.contains("  ~ uid=99 status=2 -> 1"))
        #expect(output.contains("gates: 0 added, 1 removed, 0 changed"))
        #expect(try run("diff", old, old).lines == ["no difference"])
    }

    /// SIGKILL at a random moment of an install: the scanner has the complete old or new snapshot, and the next install
    /// works.
    @Test func killedInstallLeavesCompleteSnapshot() throws {
        let store = SnapshotStore(folder: folder.file("data/snapshots"))
        let began = now
        func fetch() throws -> ChildProcess {
            try ChildProcess(
                Package.program("tapline-publisher"),
                [
                    "fetch", "--data", folder.file("data"), "--scanner", "north-1", "--from", out, "--trust-key",
                    prefix + ".pub",
                ], output: .null, errors: folder.file("errors"))
        }
        var errors: String { (try? Files.readText(folder.file("errors"))) ?? "" }
        _ = try publish(created: began, expires: began + 600)
        let startMs = SystemClock.monotonicMs()
        #expect(try fetch().wait() == .exit(0), "\(errors)")
        let wholeMs = SystemClock.monotonicMs() - startMs
        #expect(store.currentVersion() == began)
        var installs = 0
        for step in 1...20 {
            let before = try #require(store.currentVersion())
            let next = began + Int64(step)
            _ = try publish(created: next, expires: began + 600)
            let child = try fetch()
            // Spreads the kills over the install, from its start to after its end, also if the machine became four times
            // as slow. It is not a wait for a condition.
            usleep(UInt32(wholeMs) * 10 * UInt32(step * step))
            child.kill()
            let version = try #require(store.currentVersion())
            #expect(version == before || version == next)
            let snapshot = try Snapshot(path: try #require(store.current()))
            #expect(snapshot.version == version)
            #expect(try snapshot.attendee(TagID(rawValue: 99))?.status == .blocked)
            #expect(try #require(store.highestVersion) >= version)
            if version == next { installs += 1 }
        }
        // An install that is killed after the switch leaves old files for the next install.
        _ = try publish(created: began + 21, expires: began + 600)
        #expect(try fetch().wait() == .exit(0), "\(errors)")
        #expect(store.currentVersion() == began + 21)
        #expect(store.installed()?.version == began + 21)
        let left = try Files.list(store.folder).filter { $0.hasPrefix("download-") || $0.hasPrefix("snapshot-") }
        #expect(left.count <= 3, "\(left)")
        // A killed install can make the next one use the second name of the version.
        #expect(left.last.flatMap { SnapshotFileName.version(of: $0) } == began + 21, "\(left)")
        // Otherwise all kills came before or after the installs.
        #expect((1...19).contains(installs), "\(installs) of 20 installs were done before the kill")
    }

    @Test func stickHoldsTheCompletePublicationAndIsVerified() throws {
        let manifest = try publish(created: now, expires: now + 3_600)
        let stick = folder.file("stick")
        let trust = prefix + ".pub"
        let done = try run("stick", "--from", out, "--out", stick, "--trust-key", trust)
        #expect(done.end == .exit(0), "\(done.errors)")
        #expect(done.lines[0].contains("verified"))
        #expect(try Files.list(stick).sorted() == ["manifest.json", "manifest.json.minisig", manifest.file])
        #expect(try run("verify", stick, "--trust-key", trust).end == .exit(0))
        // Earlier copies and parts go; other files stay.
        let old = ["snapshot-5.sqlite", "snapshot-5.sqlite.gz", Manifest.Delta.fileName(from: 4, to: 5), ".building-x"]
        for name in old + ["photo.jpg"] { try Files.writeAtomically([1], to: stick + "/" + name, durable: false) }
        #expect(try run("stick", "--from", out, "--out", stick, "--trust-key", trust).end == .exit(0))
        #expect(
            try Files.list(stick).sorted() == ["manifest.json", "manifest.json.minisig", "photo.jpg", manifest.file])
        #expect(try run("stick", "--from", out, "--out", out, "--trust-key", trust).end == .exit(78))
        try Files.writeAtomically([1], to: out + "/" + manifest.file)
        #expect(try run("stick", "--from", out, "--out", stick, "--trust-key", trust).end == .exit(1))
        #expect(try run("verify", stick, "--trust-key", trust).end == .exit(0))
    }
}
