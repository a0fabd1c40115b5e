import AccessControl
import Crypto
import FoundationEssentials

/// The messages of the control socket: one JSON object per line, one line in each direction.
enum ControlMessage {
    struct Request: Codable, Hashable {
        enum Kind: String, Codable { case admit, mode, assign }
        /// The key is fixed: command and gate may be of different versions.
        var order: Kind
        /// Hexadecimal; for `admit`, `nil` without a wristband.
        var uid: String?
        var reason: String?
        var mode: LaneMode?
        /// For `assign`; `nil` returns to the default.
        var gate: String?
    }

    struct Reply: Codable, Hashable {
        var done: Bool
        var text: String
    }

    /// Why a line is not a command.
    enum Invalid: Error, Hashable, CustomStringConvertible {
        case request, reason, uid, mode, gate

        var description: String {
            switch self {
            case .request: "unknown command"
            case .reason: "a reason is needed"
            case .uid: "a UID of 1 to 32 bytes of hex is needed"
            case .mode: "a mode is needed"
            case .gate: "the name of a gate is needed"
            }
        }
    }

    /// Maximum length of a reason or gate name, in bytes of UTF-8.
    static let textLimitBytes = 500

    /// Encodes a command.
    static func line(_ command: LaneCommand) -> String {
        switch command {
        case .admit(let uid, let reason):
            encode(Request(order: .admit, uid: uid.map { Hex.encode($0) }, reason: reason))
        case .mode(let mode, let reason): encode(Request(order: .mode, reason: reason, mode: mode))
        case .assign(let gate): encode(Request(order: .assign, gate: gate))
        }
    }

    /// Decodes a command.
    static func command(_ line: String) -> Result<LaneCommand, Invalid> {
        guard let request = try? JSONDecoder().decode(Request.self, from: Data(line.utf8)) else {
            return .failure(.request)
        }
        switch request.order {
        case .admit:
            guard let reason = text(request.reason) else { return .failure(.reason) }
            guard let hex = request.uid else { return .success(.admit(uid: nil, reason: reason)) }
            guard let uid = Hex.decode(hex), TapLine.uidBytes.contains(uid.count) else { return .failure(.uid) }
            return .success(.admit(uid: uid, reason: reason))
        case .mode:
            guard let mode = request.mode else { return .failure(.mode) }
            guard let given = request.reason else { return .success(.mode(mode)) }
            guard let reason = text(given) else { return .failure(.reason) }
            return .success(.mode(mode, reason: reason))
        case .assign:
            guard let given = request.gate else { return .success(.assign(gate: nil)) }
            guard let gate = text(given) else { return .failure(.gate) }
            return .success(.assign(gate: gate))
        }
    }

    /// Encodes a result.
    static func line(_ result: CommandResult) -> String {
        switch result {
        case .done(let text): encode(Reply(done: true, text: text))
        case .rejected(let text): encode(Reply(done: false, text: text))
        }
    }

    /// Decodes a result; `nil` for a line that is not one.
    static func result(_ line: String) -> CommandResult? {
        guard let reply = try? JSONDecoder().decode(Reply.self, from: Data(line.utf8)) else { return nil }
        return reply.done ? .done(reply.text) : .rejected(reply.text)
    }

    private static func text(_ given: String?) -> String? { given.flatMap { isText($0) ? $0 : nil } }

    /// Whether a text is not blank, not too long and without control characters, which could forge log lines.
    static func isText(_ given: String) -> Bool {
        given.utf8.count <= textLimitBytes && given.contains { !$0.isWhitespace }
            && given.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
    }

    private static func encode(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings and Booleans always encode.
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
