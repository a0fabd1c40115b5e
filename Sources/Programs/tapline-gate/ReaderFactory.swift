import CLI
import GateController
import Readers
import Runtime
import ScanModel

/// The readers of a lane, as `--reader` names them: their services, which post to the lane's mailbox.
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

    /// Throws `ProgramError` (configuration).
    init(_ arguments: Arguments) throws {
        specs = try arguments.all("reader").map { try ReaderSpec($0) }
        guard Set(specs.map(\.source)).count == specs.count else {
            throw ProgramError.configuration("--reader: the same reader is named twice")
        }
        keys = try arguments["tag-keys"].map { try SecureMessageKeys(contentsOf: $0) }
    }

    var settings: [Lane.Settings.Reader] { specs.map { Lane.Settings.Reader($0.name, $0.direction) } }
    var hasStandardInput: Bool { specs.contains { $0.source == .stdin } }

    /// Of all but standard input, which the lane reads itself.
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

    /// Into the lane's mailbox without waiting. What a reader says of itself comes again, so of a full mailbox only a tap that
    /// is lost is worth a word.
    private static func post(_ mailbox: Mailbox<TimestampedEvent>, _ index: Int) -> @Sendable (ReaderEvent) -> Bool {
        let log = Log("lane")
        return { event in
            let isTaken = mailbox.send(TimestampedEvent(.reader(index, event)))
            if !isTaken, case .tap = event { log.error("the lane does not keep up: a tap is lost") }
            return isTaken
        }
    }
}
