import CLI
import Crypto
import DeviceEmulation
import Runtime

extension FleetProgram {
    private static let steps = ReaderScript.steps.map { step in
        "  " + step.0 + String(repeating: " ", count: max(0, 23 - step.0.count)) + step.1
    }.joined(separator: "\n")

    static let reader = Command(
        "reader",
        "emulate an NFC reader that runs a script from standard input, until end of input",
        options: [
            Option("link", "PATH", "path of the emulated port (default in a new folder)"),
            Option(
                "meta-key", "HEX", "key of authenticating chips for UID and counter", kind: .secret,
                default: String(repeating: "0", count: 2 * AES128.length)),
            Option(
                "mac-key", "HEX", "key of authenticating chips for their MAC", kind: .secret,
                default: String(repeating: "0", count: 2 * AES128.length)),
            .toggle("diversified", "derive the MAC key of each chip from its UID (AN10922)"),
        ],
        details: "Prints the port, for --reader nfc:pn532_uart:PORT, then 'ok' for each step. Steps, one per line:\n"
            + steps
    ) { arguments in
        let keys = try ["meta-key", "mac-key"].map { flag in
            guard let key = Hex.decode(try arguments.required(flag)), key.count == AES128.length else {
                throw ProgramError.configuration("--\(flag): 32 hexadecimal digits are needed")
            }
            return key
        }
        let (link, isDiversified) = (arguments["link"], arguments.has("diversified"))
        return {
            try await ServiceGroup([
                .thread("reader") { stop in
                    let reader = try PN532Emulator(link: link)
                    guard
                        var script = ReaderScript(reader, meta: keys[0], file: keys[1], isDiversified: isDiversified)
                    else { return }
                    TextOutput.line(reader.path)
                    try run(&script, stop)
                    withExtendedLifetime(reader) {}
                }
            ]).run()
        }
    }

    /// Runs the steps from standard input. An invalid step ends the script, because later steps may depend on it.
    private static func run(_ script: inout ReaderScript, _ stop: StopSignal) throws {
        let input = LineInput()
        while true {
            switch try input.next(or: stop, withinMs: -1) {
            case .line(let line):
                do {
                    if let output = try script.execute(line, stop: stop) { TextOutput.line(output) }
                } catch let error as ReaderScript.InvalidStep {
                    throw ProgramError.failed("\(error) (--help explains the steps)")
                }
            case .tooLong: throw ProgramError.failed("a line of the script is longer than 4096 bytes")
            case .idle, .other: continue
            case .stopped, .end: return
            }
        }
    }
}
