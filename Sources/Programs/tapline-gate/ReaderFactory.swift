import CLI
import GateController
import Readers
import Runtime
import ScanModel

/// Makes the services of the readers that `--reader` names. They send taps to the lane's mailbox.
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
    func make(_ mailbox: Mailbox<TimestampedEvent>) -> [Service] {
        specs.enumerated().compactMap { index, spec -> Service? in
            let post = ReaderFactory.post(mailbox, index)
            switch spec.source {
            case .stdin: return nil
            case .nfc(let connstring):
                return NFCReader(connstring: connstring, keys: keys, direction: spec.direction, deliver: post).service()
            case .serial(let path, let baud):
                return CodeReader(path: path, baud: baud, direction: spec.direction, deliver: post).service()
            }
        }
    }

    /// Sends events to the lane's mailbox. Does not wait.
    ///
    /// Only a dropped tap is logged, because a reader sends its state again.
    private static func post(_ mailbox: Mailbox<TimestampedEvent>, _ index: Int) -> @Sendable (ReaderEvent) -> Bool {
        let log = Log("lane")
        return { event in
            let isSent = mailbox.send(TimestampedEvent(.reader(index, event)))
            if !isSent, case .tap = event { log.error("lane mailbox full, tap dropped") }
            return isSent
        }
    }
}
