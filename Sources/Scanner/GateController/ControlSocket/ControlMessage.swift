import AccessControl
import Crypto
import FoundationEssentials
import ScanModel
import TextRules

/// The messages of the control socket: one JSON object per line, one line in each direction.
enum ControlMessage {
    struct Request: Codable, Hashable {
        // A gate that does not know a kind rejects the command. It must not admit another tag instead.
        enum Kind: String, Codable {
            case admit, mode, assign
            case admitCode = "admit-code"
            case admitID = "admit-id"
        }
        /// The key is fixed: command and gate may be of different versions.
        var order: Kind
        /// Hexadecimal; for `admit`, `nil` without a wristband.
        var uid: String?
        /// For `admitCode`.
        var code: String?
        /// For `admitID`.
        var tag: Int64?
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
        case request, uid, code, tag, mode, gate
        /// The problem, as `OperatorReason.problem` names it; `nil` without a reason.
        case reason(String?)

        var description: String {
            switch self {
            case .request: "unknown command"
            case .reason(let problem?): "the reason \(problem)"
            case .reason(nil): "a reason is needed"
            case .uid: "a UID of 1 to 32 bytes of hex is needed"
            case .code: "the text of a code is needed"
            case .tag: "a tag ID is needed"
            case .mode: "a mode is needed"
            case .gate: "the name of a gate is needed"
            }
        }
    }

    /// Maximum length of a gate name, in bytes of UTF-8.
    static let textLimitBytes = 500

    /// Encodes a command.
    static func line(_ command: LaneCommand) -> String {
        switch command {
        case .admit(nil, let reason): encode(Request(order: .admit, reason: reason))
        case .admit(.uid(let uid), let reason): encode(Request(order: .admit, uid: Hex.encode(uid), reason: reason))
        case .admit(.code(let code), let reason): encode(Request(order: .admitCode, code: code.text, reason: reason))
        case .admit(.id(let tag), let reason): encode(Request(order: .admitID, tag: tag.rawValue, reason: reason))
        case .mode(let mode, let reason): encode(Request(order: .mode, reason: reason, mode: mode))
        case .assign(let gate): encode(Request(order: .assign, gate: gate))
        }
    }

    /// Decodes a command.
    static func command(_ line: String) -> Result<LaneCommand, Invalid> {
        guard let request = try? JSONDecoder().decode(Request.self, from: Data(line.utf8)) else {
            return .failure(.request)
        }
        do throws(Invalid) { return .success(try command(request)) } catch { return .failure(error) }
    }

    private static func command(_ request: Request) throws(Invalid) -> LaneCommand {
        switch request.order {
        case .admit:
            let reason = try reason(request.reason)
            guard let hex = request.uid else { return .admit(nil, reason: reason) }
            guard let uid = Hex.decode(hex), TapLine.uidBytes.contains(uid.count) else { throw .uid }
            return .admit(.uid(uid), reason: reason)
        case .admitCode:
            let reason = try reason(request.reason)
            guard let code = text(request.code).flatMap({ try? CodeText($0) }) else { throw .code }
            return .admit(.code(code), reason: reason)
        case .admitID:
            let reason = try reason(request.reason)
            guard let tag = request.tag, tag != 0 else { throw .tag }
            return .admit(.id(TagID(rawValue: tag)), reason: reason)
        case .mode:
            guard let mode = request.mode else { throw .mode }
            guard let given = request.reason else { return .mode(mode) }
            return .mode(mode, reason: try reason(given))
        case .assign:
            guard let given = request.gate else { return .assign(gate: nil) }
            guard let gate = text(given) else { throw .gate }
            return .assign(gate: gate)
        }
    }

    private static func reason(_ given: String?) throws(Invalid) -> String {
        guard let given else { throw .reason(nil) }
        if let problem = OperatorReason.problem(given) { throw .reason(problem) }
        return given
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
            && !given.unicodeScalars.contains(where: \.isControl)
    }

    private static func encode(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Strings and Booleans always encode.
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
