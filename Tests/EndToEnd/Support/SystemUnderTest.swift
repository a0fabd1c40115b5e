import FileSystem
import Glibc
import TestSupport

/// The whole system with the real programs: a center on its servers, and scanners with their gates and publishers.
///
/// Confined to one thread. Every program ends when the object is released.
final class SystemUnderTest {
    static let event = "Test Event"

    let folder = TemporaryFolder("line")
    let database: TestDatabase
    let amqpURL: String
    let httpPort: Int
    private(set) var center: ChildProcess?
    private(set) var scanners: [Scanner] = []

    var eventKeyFile: String { folder.file("event.key") }
    var signingKeyFile: String { folder.file("signing.key") }
    var trustKeyFile: String { folder.file("signing.pub") }
    var snapshots: String { folder.file("published") }
    var centerURL: String { "http://127.0.0.1:\(httpPort)" }

    /// Makes the keys and a migrated database with an event. Starts no program.
    ///
    /// - Parameters:
    ///   - databaseURL: URL of a superuser, ending in `/postgres`.
    ///   - amqpURL: URL of an administrator, with a vhost for this test only.
    init(databaseURL: String, amqpURL: String) throws {
        self.amqpURL = amqpURL
        database = try TestDatabase(administrator: databaseURL)
        httpPort = try freePort()
        try Files.makeFolder(snapshots)
        var random = SystemRandomNumberGenerator()
        try Files.writeAtomically(
            (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }, to: eventKeyFile, mode: 0o600)
        try Run.succeeding("tapline-snapshot", ["keygen", "--out", folder.file("signing")])
        try administer("migrate")
        try administer(
            "event", "set", "--name", SystemUnderTest.event, "--time-zone", "Etc/UTC", "--day-start", "04:00")
    }

    /// Runs a command of `tapline-center` on the database to its end.
    @discardableResult
    func administer(_ words: String...) throws -> Run {
        try Run.succeeding("tapline-center", words + ["--database-url", database.url])
    }

    /// Imports a registration list.
    func importing(_ csv: String) throws {
        let path = folder.file("import.csv")
        try Files.writeAtomically(Array(csv.utf8), to: path)
        try administer("import", path, "--event-key-file", eventKeyFile, "--make-zones")
    }

    func export() throws {
        try Run.succeeding(
            "tapline-snapshot",
            [
                "export", "--database-url", database.url, "--out", snapshots, "--signing-key", signingKeyFile,
            ])
    }

    /// Starts the center, also after it was killed.
    func startCenter(_ more: [String] = []) throws {
        center = try ChildProcess(
            Package.program("tapline-center"),
            [
                "run", "--amqp-url", amqpURL, "--database-url", database.url, "--http", "127.0.0.1:\(httpPort)",
                "--snapshots", snapshots, "--relay-user", TestServers.amqpUser,
            ] + more, output: .null, errors: folder.file("center.log"))
    }

    /// Waits until the center is connected to both servers.
    func awaitCenter() throws {
        try eventually("the center answers /readyz with 200") {
            if let end = center?.end { throw TestFailure("the center ended: \(end)\(center?.errorTail() ?? "")") }
            return try Run.it("curl", ["-sf", "-m", "5", "\(centerURL)/readyz"]).end == .exit(0)
        }
    }

    /// Enrols a scanner at a gate into a zone, which is created if it is missing. Starts no program.
    func enrol(_ id: String, gate: String, zone: String) throws -> Scanner {
        try administer("scanner", "add", id, "--gate", gate, "--zone", zone)
        let scanner = Scanner(id: id, line: self)
        try Files.makeFolder(scanner.data)
        scanners.append(scanner)
        return scanner
    }

    /// Number of stored scans.
    func stored() throws -> Int { try database.number("SELECT count(*) FROM tapline.scans") }

    /// Number of scans in the journals of all scanners.
    func journaled() throws -> Int { try scanners.reduce(0) { try $0 + $1.journaled() } }

    /// Waits until every journaled scan is stored and tracked.
    ///
    /// - Throws: `TestFailure` with the state of journals and programs, if no scan is stored for a long time.
    func awaitAllStored() throws {
        let journaled = try journaled()
        do {
            try awaitCount("scans are stored", journaled, everyMs: 200, stored)
            // Tracking may be a second behind, and longer after a center was killed.
            try eventually("every scan is tracked", everyMs: 100) {
                try database.query("SELECT 1 FROM tapline_internal.tracking_queue LIMIT 1").isEmpty
            }
        } catch let failure as TestFailure {
            let journals = try database.query(
                "SELECT scanner_id, log, next_seq, last_seq, received, backlog FROM tapline.journals ORDER BY 1, id")
            let logs = scanners.map { $0.publisher?.errorTail(lines: 3) ?? "" }.joined()
            throw TestFailure(
                """
                \(failure); stored: \(try stored())
                journals:\n\(journals.joined(separator: "\n"))
                quarantine: \(try database.query("SELECT reason, detail, times FROM tapline.quarantine LIMIT 5"))
                center: \(center?.errorTail() ?? "")\npublishers: \(logs)
                """)
        }
    }
}

/// One device: a data folder, a gate that reads taps from standard input, and a publisher.
final class Scanner {
    let id: String
    let data: String
    private unowned let line: SystemUnderTest
    private(set) var gate: ChildProcess?
    private(set) var publisher: ChildProcess?

    init(id: String, line: SystemUnderTest) {
        (self.id, self.line) = (id, line)
        data = line.folder.file(id)
    }

    /// The file with every verdict that the gates of this scanner printed.
    var verdicts: String { line.folder.file("\(id).verdicts") }

    func startGate(output: ChildProcess.Output? = nil) throws {
        gate = try ChildProcess(
            Package.program("tapline-gate"),
            [
                "run", "--data", data, "--scanner", id, "--event-key-file", line.eventKeyFile, "--reader", "stdin",
                "--output", "json",
            ], output: output ?? .file(verdicts), errors: line.folder.file("\(id).gate.log"))
    }

    func startPublisher() throws {
        publisher = try ChildProcess(
            Package.program("tapline-publisher"),
            [
                "run", "--data", data, "--scanner", id, "--amqp-url", line.amqpURL, "--center-url", line.centerURL,
                "--trust-key", line.trustKeyFile, "--snapshot-every-s", "1",
            ], output: .null, errors: line.folder.file("\(id).publisher.log"))
    }

    /// Installs the newest snapshot from the folder of the center, as from a USB stick.
    func fetch() throws {
        try Run.succeeding(
            "tapline-publisher",
            [
                "fetch", "--data", data, "--scanner", id, "--from", line.snapshots, "--trust-key", line.trustKeyFile,
            ])
    }

    /// The version of the installed snapshot; 0 for none.
    func snapshotVersion() -> Int {
        guard let name = try? Files.readText(data + "/snapshots/current") else { return 0 }
        return Int(name.filter(\.isNumber)) ?? 0
    }

    /// Number of scans in its journals, read with sqlite3.
    func journaled() throws -> Int {
        guard access(data + "/journal.sqlite", F_OK) == 0 else { return 0 }
        let run = try Run.succeeding(
            "sqlite3", ["file:\(data)/journal.sqlite?mode=ro&readonly_shm=1", "SELECT count(*) FROM scans"])
        return Int(run.lines.first ?? "") ?? 0
    }

    /// The verdicts that its gates printed, in order, without a last line that SIGKILL cut off.
    func printed() throws -> [PrintedVerdict] {
        guard let text = try? Files.readText(verdicts, limit: 1 << 30) else { return [] }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        return try lines.map { try PrintedVerdict(String($0)) }
    }
}

/// A free port on loopback, below the port range of outgoing connections.
func freePort() throws -> Int {
    for _ in 0..<100 {
        let port = UInt16.random(in: 12_000..<20_000)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if bound == 0 { return Int(port) }
    }
    throw TestFailure("no free port")
}
