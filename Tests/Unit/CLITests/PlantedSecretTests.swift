import EnrolmentExchange
import FileSystem
import Glibc
import LinuxSystem
import Runtime
import TestSupport
import Testing

/// Passwords and keys that are planted in all settings, and looked for in everything that the programs write.
@Suite struct PlantedSecretTests {
    private static let key = (0..<32).map { UInt8(truncatingIfNeeded: 0x5D &* ($0 + 3)) }
    private static let deviceKey = (0..<32).map { UInt8(truncatingIfNeeded: 0x3B &* ($0 + 5)) }
    private static let passwords = [
        "planted-amqp-51", "planted-database-52", "planted-signing-53", "planted-bearer-54", "planted-management-55",
    ]
    private static let amqp = "amqp://gate-7:\(passwords[0])@127.0.0.1:1/"
    private static let database = "postgresql://tapline:\(passwords[1])@127.0.0.1:1/none"
    private static let bearer = passwords[3]
    private static let management = "admin:\(passwords[4])"

    private let folder = TemporaryFolder("secrets")
    private var data: String { folder.file("data") }
    private var log: String { folder.file("log") }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    }

    /// All forms of the secrets.
    private static var forms: [[UInt8]] {
        let hex = [key, deviceKey].map(hex)
        return (passwords + hex + hex.map { $0.uppercased() }).map { Array($0.utf8) } + [key, deviceKey]
    }

    /// Expects that bytes hold no secret.
    private func expectNone(in bytes: [UInt8], _ what: String) {
        for (index, form) in Self.forms.enumerated() {
            #expect(bytes.firstRange(of: form) == nil, "secret \(index) in \(what)")
        }
    }

    private func expectNone(in run: Run, _ what: String) {
        expectNone(in: Array((run.lines.joined(separator: "\n") + run.errors).utf8), what)
    }

    /// Expects that no file of the test's folder holds a secret.
    private func expectNone(below path: String) throws {
        for name in try Files.list(path) {
            let entry = path + "/" + name
            if Files.status(entry)?.isRegular == true {
                expectNone(in: try Files.read(entry, limit: 1 << 26), entry)
            } else if (try? Files.list(entry)) != nil {
                try expectNone(below: entry)
            }
        }
    }

    private func commandLine(of child: ChildProcess) throws -> [UInt8] {
        try Files.read("/proc/\(child.pid)/cmdline", limit: 1 << 16)
    }

    private func start(_ program: String, _ arguments: [String], _ environment: [String: String] = [:]) throws
        -> ChildProcess
    {
        try ChildProcess(
            Package.program(program), arguments,
            environment: environment.merging(["TAPLINE_LOG_LEVEL": "debug"]) { $1 },
            output: .file(folder.file("output")), errors: log)
    }

    private func awaitLog(_ text: String) throws {
        try eventually("the log says \(text)", everyMs: 5) { (try? Files.readText(log))?.contains(text) == true }
    }

    @Test func publisherShowsNoPassword() throws {
        let publisher = try start(
            "tapline-publisher",
            [
                "run", "--data", data, "--scanner", "gate-7", "--amqp-url", Self.amqp,
                "--center-url", "http://127.0.0.1:1", "--trust-key", trustKey(), "--center-token", Self.bearer,
                "--snapshot-every-s", "2",
            ])
        try awaitLog("secret on the command line")
        try awaitLog("refused")
        let line = try commandLine(of: publisher)
        expectNone(in: line, "the command line")
        #expect(
            line.firstRange(of: Array("--amqp-url".utf8)) != nil && line.firstRange(of: Array("gate-7".utf8)) != nil)
        for format in ["text", "json"] {
            let status = try Run.it("tapline-publisher", ["status", "--data", data, "--output", format])
            #expect(!status.lines.isEmpty)
            expectNone(in: status, "the status")
        }
        #expect(try publisher.stop() == .exit(0))
        try expectNone(below: folder.path)
    }

    private func trustKey() throws -> String {
        try Run.succeeding("tapline-snapshot", ["keygen", "--out", folder.file("key")])
        return folder.file("key.pub")
    }

    @Test func renewalShowsNeitherBearerNorDeviceKey() throws {
        let path = folder.file("scanner.env")
        try Files.writeAtomically(Array("TAPLINE_SCANNER=gate-7\n".utf8), to: path, mode: 0o600)
        let words = ["renew", "--enrolment", path, "--center-url", "https://127.0.0.1:1"]
        for (key, code) in [(Self.hex(Self.deviceKey), 69), (Self.hex(Self.deviceKey) + "0", 78)] as [(String, Int32)] {
            let secrets = ["TAPLINE_CENTER_TOKEN": Self.bearer, "TAPLINE_DEVICE_KEY": key]
            let run = try Run.it("tapline-publisher", words, environment: secrets)
            #expect(run.end == .exit(code), "\(run.errors)")
            expectNone(in: run, "renew")
        }
        try expectNone(below: folder.path)
    }

    /// A center that never answers, so that the device waits with its token.
    @Test func enrolmentShowsNoToken() throws {
        let listener = try LoopbackListener()
        defer { listener.end() }
        let center = "127.0.0.1:\(listener.port)"
        let token = try #require(EnrolmentToken(center: center, pinnedKey: Self.key)?.text)
        let secret = Array(token.utf8.dropFirst("TAPLINE1:".utf8.count))
        let path = folder.file("scanner.env")

        let device = try start("tapline-publisher", ["enrol", token, "--out", path])
        try awaitLog("secret on the command line")
        let line = try commandLine(of: device)
        #expect(line.firstRange(of: secret) == nil && line.firstRange(of: Array(path.utf8)) != nil)
        device.kill()
        // Errors repeat the words of the command line.
        for words in [["enroll", token], ["enrol", token.lowercased(), "more", "--out", path], [token]] {
            let run = try Run.it("tapline-publisher", words)
            #expect(run.end == .exit(64), "\(run.errors)")
            #expect(Array(run.errors.uppercased().utf8).firstRange(of: secret) == nil, "\(words[0])")
        }
        #expect(try Files.read(log, limit: 1 << 16).firstRange(of: secret) == nil)
    }

    @Test func managementCredentialIsNotShown() throws {
        let path = folder.file("credential")
        let words = [
            "scanner", "list", "--database-url", Self.database, "--rabbitmq-management-credential-file", path,
            "--rabbitmq-management-url",
        ]
        let cases: [(content: String, mode: mode_t, url: String, code: Int32)] = [
            (Self.management, 0o600, "http://127.0.0.1:1", 69), (Self.management, 0o644, "http://127.0.0.1:1", 78),
            (Self.passwords[4], 0o600, "http://127.0.0.1:1", 78),
            (Self.management, 0o600, "http://\(Self.management)@127.0.0.1:1", 78),
            (Self.management, 0o600, "http://broker.example", 78),
        ]
        for (content, mode, url, code) in cases {
            try Files.writeAtomically(Array(content.utf8), to: path, mode: mode)
            let run = try Run.it("tapline-center", words + [url])
            #expect(run.end == .exit(code), "\(run.errors)")
            expectNone(in: run, "\(content.count) \(mode) \(code)")
        }
    }

    @Test func centerShowsNoPassword() throws {
        let center = try start(
            "tapline-center", ["run", "--amqp-url=\(Self.amqp)", "--http", "127.0.0.1:0"],
            ["TAPLINE_DATABASE_URL": Self.database])
        try awaitLog("\"message\":\"listening\"")
        try awaitLog("database unavailable")
        let text = try Files.readText(log)
        let port = try #require(
            text.firstRange(of: "\"port\":\"").map { text[$0.upperBound...].prefix { $0.isNumber } })
        let http = RawHTTP(port: try #require(UInt16(port)))
        for path in ["/readyz", "/metrics", "/healthz", "/"] {
            let answer = try http.get(path)
            #expect(answer.status != 0)
            expectNone(in: answer.body, path)
        }
        expectNone(in: try commandLine(of: center), "the command line")
        center.kill()
        try expectNone(below: folder.path)
    }

    @Test func gateShowsNoKey() throws {
        let hex = Self.hex(Self.key)
        let gate = try start(
            "tapline-gate", ["run", "--data", data, "--scanner", "gate-7", "--event-key", hex, "--reader", "stdin"])
        try gate.write("04a1b2c3\n")
        try eventually("a verdict", everyMs: 5) { (Files.status(folder.file("output"))?.size ?? 0) > 0 }
        expectNone(in: try commandLine(of: gate), "the command line")
        expectNone(in: try Run.it("tapline-gate", ["status", "--data", data, "--output", "json"]), "the status")
        gate.closeInput()
        #expect(try gate.wait() == .exit(0))
        try expectNone(below: folder.path)
    }

    @Test func errorsNameNoSecret() throws {
        try Run.succeeding("tapline-snapshot", ["keygen", "--out", folder.file("key")])
        let commands: [(String, [String], Int32)] = [
            ("tapline-publisher", ["run", Self.amqp], 64), ("tapline-publisher", [Self.amqp], 64),
            ("tapline-publisher", ["run", "--amqp-ulr=\(Self.amqp)"], 64),
            (
                "tapline-publisher",
                ["run", "--data", data, "--scanner", "x", "--amqp-url", Self.amqp + "?verify=maybe"], 78
            ),
            (
                "tapline-publisher",
                ["run", "--data", data, "--scanner", "x", "--amqp-url", "http" + Self.amqp.dropFirst(4)], 78
            ),
            (
                "tapline-publisher",
                [
                    "fetch", "--data", data, "--center-url", "http" + Self.amqp.dropFirst(4), "--trust-key",
                    folder.file("key.pub"),
                ], 78
            ),
            ("tapline-center", ["zone", "list", "--database-url", Self.database], 69),
            ("tapline-center", ["zone", "list", "--database-url", Self.database + "?nonsense=1"], 78),
            (
                "tapline-snapshot",
                [
                    "export", "--database-url", Self.database, "--out", data, "--signing-key", folder.file("none"),
                    "--password", Self.passwords[2],
                ], 78
            ),
        ]
        for (program, arguments, code) in commands {
            let run = try Run.it(program, arguments)
            #expect(run.end == .exit(code), "\(program) \(arguments.first ?? "")")
            expectNone(in: run, "\(program) \(arguments.first ?? "")")
        }
    }

    /// Without this, a core dump, a debugger or another process of the user shows keys and passwords.
    @Test func processMemoryIsClosedToItsUser() throws {
        // Another user must be able to enter the folder, and to run the program.
        let program = folder.file("gate")
        try Files.writeAtomically(
            try Files.read(Package.program("tapline-gate"), limit: 1 << 30), to: program, mode: 0o755)
        try Files.makeFolder(data)
        let stranger: UInt32 = 65_534
        #expect(chmod(folder.path, 0o711) == 0 && chown(data, stranger, stranger) == 0)
        let gate = try ChildProcess(
            "setpriv",
            [
                "--reuid=\(stranger)", "--regid=\(stranger)", "--clear-groups", program, "run", "--data", data,
                "--scanner",
                "gate-7", "--event-key", Self.hex(Self.key), "--reader", "stdin",
            ], errors: log)
        try gate.write("04a1b2c3\n")
        #expect(try gate.line() != nil)
        // Linux gives the files of a process that may not be dumped to root.
        #expect(Files.status("/proc/\(gate.pid)/environ")?.owner == 0)
        #expect(Files.status("/proc/\(gate.pid)")?.owner == stranger)
        gate.closeInput()
        #expect(try gate.wait() == .exit(0))
    }
}
