import AMQP
import CLI
import FoundationEssentials
import Postgres
import Schema

/// What `doctor` is given: the options of `run`.
struct DoctorInputs: Sendable {
    var databaseURL: String
    var brokers: [AMQPAddress] = []
    var managementPort: Int
    var snapshots: String?
    var signingKey: String?
    var signingKeyPassword: String?
    var eventKeyFile: String?
    var certificate: String?
    var certificateKey: String?
}

/// One thing that `doctor` has looked at.
struct DoctorCheck: Codable, Equatable, Sendable {
    /// How it is.
    enum State: String, Codable, Sendable {
        case good = "ok"
        /// It will become a fault.
        case warning = "WARN"
        case fault = "FAIL"
        /// It was not looked at.
        case skipped = "-"
    }

    var name: String
    var state: State
    /// What was looked at.
    var looked: String
    /// What was found.
    var found: String
    /// What to do; `nil` if nothing is to do.
    var remedy: String?

    static func good(_ name: String, _ looked: String, _ found: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .good, looked: looked, found: found)
    }
    static func warning(_ name: String, _ looked: String, _ found: String, do remedy: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .warning, looked: looked, found: found, remedy: remedy)
    }
    static func fault(_ name: String, _ looked: String, _ found: String, do remedy: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .fault, looked: looked, found: found, remedy: remedy)
    }
    static func skipped(_ name: String, _ looked: String, _ why: String) -> DoctorCheck {
        DoctorCheck(name: name, state: .skipped, looked: looked, found: "not looked at: \(why)")
    }
}

/// Runs all checks. A check that cannot end is a fault, so one outage does not hide the others.
struct Doctor {
    /// Maximum duration of a statement, in milliseconds.
    private static let statementTimeoutMs = 10_000
    /// Columns of a line of the output.
    private static let columns = 100
    private static let margin = 20

    private let inputs: DoctorInputs

    init(_ inputs: DoctorInputs) { self.inputs = inputs }

    /// Returns the checks in the order in which they are to be read.
    func run() -> [DoctorCheck] {
        var checks: [DoctorCheck] = []
        var connection: PostgresConnection?
        do {
            connection = try PostgresConnection(
                url: inputs.databaseURL, statementTimeoutMs: Doctor.statementTimeoutMs,
                applicationName: "tapline-center doctor")
        } catch {
            checks.append(
                .fault(
                    "database", "the connection of --database-url", "\(error)",
                    do: "start PostgreSQL, or correct --database-url"))
            checks += DatabaseChecks.unreachable
        }
        if let connection { checks += DatabaseChecks(connection: connection).run() }
        checks += BrokerChecks(
            brokers: inputs.brokers, managementPort: inputs.managementPort, connection: connection
        ).run()
        return checks + FileChecks(inputs: inputs, connection: connection).run()
    }

    /// The checks for people: state and name at the left, then what was looked at, what was found, and what to do.
    static func lines(_ checks: [DoctorCheck]) -> [String] {
        func column(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        var lines: [String] = []
        for check in checks {
            let looked = check.state == .skipped ? "" : " (\(check.looked))"
            var texts = StatusScreen.wrap(check.found + looked, columns - margin)
            if let remedy = check.remedy { texts += StatusScreen.wrap("do: \(remedy)", columns - margin) }
            for (number, text) in texts.enumerated() {
                lines.append(
                    number == 0
                        ? column(check.state.rawValue, 6) + column(check.name, margin - 6) + text
                        : String(repeating: " ", count: margin) + text)
            }
        }
        let faults = checks.count { $0.state == .fault }
        let warnings = checks.count { $0.state == .warning }
        let skipped = checks.filter { $0.state == .skipped }.map(\.name)
        let verdict = faults + warnings == 0 ? "nothing is wrong" : "\(faults) FAIL, \(warnings) WARN"
        let rest = skipped.isEmpty ? "" : "; \(skipped.count) not made: \(skipped.joined(separator: ", "))"
        return lines + StatusScreen.wrap("\(checks.count - skipped.count) checks: \(verdict)\(rest)", columns)
    }

    /// The checks as one JSON array.
    static func json(_ checks: [DoctorCheck]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(checks), as: UTF8.self)
    }
}
