import CLI
import Crypto
import DeviceEnrolment
import EnrolmentExchange
import FileSystem
import LinuxSystem
import Runtime
import ScanModel
import SerialPorts

extension PublisherProgram {
    static let enrolment = [enrol, renew]

    private static let enrol = Command(
        "enrol", positionals: "[TOKEN]", count: 0...1,
        "fetch the enrolment file of this device with a one-time token of tapline-center scanner enrol",
        options: [
            Option(
                "out", "FILE",
                "enrolment file to write, with mode 600; settings of an existing file that the new one lacks are kept",
                required: true),
            Option(
                "token-reader", "serial:PATH[,BAUD]",
                "code scanner that reads the QR code; without it and TOKEN a line of standard input, as keyboard scanners type "
                    + "it"),
            Option("wait-s", "S", "maximum time to wait for a token to be read, in seconds, 1 to 3600", default: "300"),
        ]
    ) { arguments in
        let path = try arguments.required("out")
        let waitMs = 1_000 * (try arguments.int("wait-s", 1...3_600) ?? 300)
        let given = try arguments.positionals.first.map { text in
            guard let token = EnrolmentToken(text) else {
                throw ProgramError.usage("this is not an enrolment token, or a character of it is wrong: TAPLINE1:...")
            }
            return token
        }
        let reader = try arguments["token-reader"].map(serialPort)
        return {
            let former = try formerSettings(path)
            let content = try await NamedThread.run("enrol") {
                let token = try given ?? read(reader, waitMs)
                return try EnrolmentClient.enrol(token)
            }
            try EnrolmentFileWriter(path: path, former: former).write(content)
            TextOutput.line("\(path): enrolment of scanner \(content.id?.text ?? "?"); the token cannot be used again")
        }
    }

    private static let renew = Command(
        "renew", "fetch new credentials if the center has made some (tapline-center scanner rotate), for a timer",
        options: [
            .enrolment, .scanner,
            Option("center-url", "URL", "center, https://CENTER:PORT; all are queried in turn", kind: .repeated),
            Option("center-ca-file", "FILE", "certificate authorities for https, PEM (default those of the system)"),
            Option("center-token", "TEXT", "bearer token of this device", kind: .secret, required: true),
            Option("device-key", "HEX", "private key of this device, 64 digits", kind: .secret, required: true),
        ]
    ) { arguments in
        let path = try arguments.required("enrolment")
        guard let key = Hex.decode(try arguments.required("device-key")), key.count == X25519.length else {
            throw ProgramError.configuration("--device-key: 64 hexadecimal digits are needed")
        }
        let centers = arguments.all("center-url")
        guard !centers.isEmpty else { throw ProgramError.configuration("--center-url is needed") }
        let device = EnrolmentClient.Device(
            scanner: try arguments.requiredScanner(), centers: centers, bearer: try arguments.required("center-token"),
            deviceKey: key, authorityFile: arguments["center-ca-file"])
        return {
            let writer = EnrolmentFileWriter(path: path, former: try formerSettings(path))
            let isNew = try await NamedThread.run("renew") {
                try EnrolmentClient.renew(device) { try writer.write($0, keepsBrokers: true) }
            }
            TextOutput.line(isNew ? "\(path): new credentials; restart the publisher" : "no new credentials")
        }
    }

    /// The values of an existing enrolment file; empty without one.
    private static func formerSettings(_ path: String) throws -> [String: String] {
        Files.exists(path) ? try EnvironmentFile.read(path) : [:]
    }

    private static func serialPort(_ text: String) throws -> (path: String, baud: Int) {
        let parts = text.split(separator: ",", maxSplits: 1)
        guard let path = parts.first, path.hasPrefix("serial:"), path.count > "serial:".count,
            let baud = parts.count == 2 ? Int(parts[1]) : 9_600
        else { throw ProgramError.configuration("--token-reader \(text): serial:PATH[,BAUD] is needed") }
        return (String(path.dropFirst("serial:".count)), baud)
    }

    /// Reads lines until one is a token.
    private static func read(_ reader: (path: String, baud: Int)?, _ waitMs: Int) throws -> EnrolmentToken {
        guard let reader else { return try readInput(waitMs) }
        let port = try SerialPort(reader.path, baud: reader.baud)
        let deadline = SystemClock.monotonicMs() + Int64(waitMs)
        var text: [UInt8] = []
        while SystemClock.monotonicMs() < deadline, text.count <= SerialPort.readLimitBytes {
            text += try port.read(timeoutMs: Int(max(0, deadline - SystemClock.monotonicMs())))
            // Scanners end a line by CR, LF or both.
            var lines = text.split(omittingEmptySubsequences: false) { $0 == 10 || $0 == 13 }
            text = Array(lines.removeLast())
            for line in lines where !line.isEmpty {
                if let token = EnrolmentToken(String(decoding: line, as: UTF8.self)) { return token }
                reportOtherLine()
            }
        }
        throw noToken
    }

    private static func readInput(_ waitMs: Int) throws -> EnrolmentToken {
        let (input, stop) = (LineInput(), StopSignal())
        while true {
            switch try input.next(or: stop, withinMs: waitMs) {
            case .line(let text):
                if let token = EnrolmentToken(text) { return token }
                if !text.isEmpty { reportOtherLine() }
            case .tooLong: reportOtherLine()
            case .idle, .other, .stopped, .end: throw noToken
            }
        }
    }

    private static func reportOtherLine() {
        Log("enrol").warning("a line is not an enrolment token, or a character of it is wrong")
    }

    private static var noToken: ProgramError {
        .usage("no enrolment token was read: give TOKEN, or a line of standard input, TAPLINE1:...")
    }
}
