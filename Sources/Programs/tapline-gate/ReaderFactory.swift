import CLI
import GateController
import Readers
import Runtime
import ScanModel

/// Makes the services of the readers that `--reader` names. They send taps to the lane's inbox.
struct ReaderFactory: Sendable {
    static let options = [
        Option(
            "reader", "[in=|out=]READER",
            "stdin: one tap per line, UID[,in|out[,TIME]], UID in hex, TIME in RFC 3339; nfc:CONNSTRING of libnfc, or "
                + "nfc:auto; serial:PATH[,BAUD]: a code scanner", kind: .repeated, required: true),
        Option(
            "tag-keys", "FILE",
            "file with the keys of NTAG 424 DNA chips, mode 600 (default none: chips are identified by their UID only)"),
    ]

    private let specs: [ReaderSpec]
    private let keys: SecureMessageKeys?

    /// - Throws: `ProgramError` (configuration).
    init(_ arguments: Arguments) throws {
        do { specs = try arguments.all("reader").map { try ReaderSpec($0) } } catch {
            throw ProgramError(ExitCode(for: error), "--reader \(error)")
        }
        guard Set(specs.map(\.source)).count == specs.count else {
            throw ProgramError.configuration("--reader: the same reader is named twice")
        }
        do { keys = try arguments["tag-keys"].map { try SecureMessageKeys(contentsOf: $0) } } catch {
            throw ProgramError(ExitCode(for: error), "--tag-keys \(error)")
        }
    }

    var settings: [Lane.Settings.Reader] { specs.map { Lane.Settings.Reader($0.name, $0.direction) } }
    var hasStandardInput: Bool { specs.contains { $0.source == .stdin } }

    /// Makes the services of all readers but standard input, which the lane reads itself.
    func make(_ inbox: LaneInbox) -> [Service] {
        specs.enumerated().compactMap { index, spec -> Service? in
            let post = ReaderFactory.post(inbox, index, spec.name)
            switch spec.source {
            case .stdin: return nil
            case .nfc(let connstring):
                return NFCReader(connstring: connstring, keys: keys, direction: spec.direction, deliver: post).service()
            case .serial(let path, let baud):
                return CodeReader(path: path, baud: baud, direction: spec.direction, deliver: post).service()
            }
        }
    }

    /// Sends events to the lane's inbox. Does not wait.
    ///
    /// A tap is dropped only if many taps of the same reader wait, because the journal's disk is slow.
    private static func post(_ inbox: LaneInbox, _ index: Int, _ name: String) -> @Sendable (ReaderEvent) -> Bool {
        let log = Log("lane")
        return { event in
            let isSent = inbox.send(TimestampedEvent(.reader(index, event)))
            if !isSent { log.error("too many taps of a reader wait, tap dropped", [.reader: name]) }
            return isSent
        }
    }
}
