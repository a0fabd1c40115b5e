import AMQP
import CLI
import Runtime

extension Center {
    static let doctor: [Command] = [
        Command(
            "doctor",
            "check servers, rights, topology, disk, clocks, certificates, snapshot and keys, and say what to do",
            options: [
                databaseURL,
                Option(
                    "amqp-url", "URL", "RabbitMQ node, as for run; without it the broker is not checked",
                    kind: .secrets,
                    companions: Option.brokerSecurity),
                Option(
                    "management-port", "PORT", "port of the broker's management API, which shows the policies",
                    default: "15672"),
                Option("snapshots", "DIR", "folder of the snapshot files, as for run"),
                Option("signing-key", "FILE", "minisign secret key, as for run"),
                Option("signing-key-password", "TEXT", "password of an encrypted signing key", kind: .secret),
                .eventKeyFile,
                Option("http-certificate-file", "FILE", "certificate of the HTTP server, as for run"),
                Option("http-key-file", "FILE", "private key of that certificate"),
                .output,
            ],
            details: """
                Give it the options of `run`: what is not given is not checked, and the output says so. Each check says
                what it looked at, what it found, and what to do. `WARN` will become a fault, `FAIL` is one, and `-` was
                not looked at. The last line names these. It changes nothing, so it can run at any time. Exits with 1
                after a WARN or a FAIL, which a server that cannot be reached is.
                """
        ) { arguments in
            let inputs = DoctorInputs(
                databaseURL: try database(arguments),
                brokers: arguments.has("amqp-url") ? try brokers(arguments) : [],
                managementPort: try arguments.int("management-port", 1...65_535) ?? 15_672,
                snapshots: arguments["snapshots"], signingKey: arguments["signing-key"],
                signingKeyPassword: arguments["signing-key-password"], eventKeyFile: arguments["event-key-file"],
                certificate: arguments["http-certificate-file"], certificateKey: arguments["http-key-file"])
            let json = try arguments.outputFormat() == .json
            return {
                let checks = try await NamedThread.run("doctor", stackBytes: AMQPConnection.stackBytes) {
                    Doctor(inputs).run()
                }
                if json { TextOutput.json(try Doctor.json(checks)) } else { TextOutput.lines(Doctor.lines(checks)) }
                let faults = checks.filter { $0.state == .warning || $0.state == .fault }
                if !faults.isEmpty { throw ProgramError.alarms(faults.map { "\($0.name): \($0.found)" }) }
            }
        }
    ]
}
