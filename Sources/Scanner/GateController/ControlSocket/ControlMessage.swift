import AccessControl
import Crypto
import FoundationEssentials

/// What goes over the desk socket: one JSON object, one line each way.
enum ControlMessage {
    struct Request: Codable, Hashable {
        enum Kind: String, Codable { case admit, mode, assign }
        var order: Kind
        /// Hexadecimal; for `admit`, nil without a band.
        var uid: String?
        var reason: String?
        var mode: LaneMode?
        /// For `assign`; nil: back to the default.
        var gate: String?
    }

    struct Answer: Codable, Hashable {
        var done: Bool
        var text: String
    }

    /// Longest reason or gate name, in bytes of UTF-8.
    static let textLimitBytes = 500

    static func line(_ order: LaneCommand) -> String {
        switch order {
        case .admit(let uid, let reason):
            encode(Request(order: .admit, uid: uid.map { Hex.encode($0) }, reason: reason))
        case .mode(let mode): encode(Request(order: .mode, mode: mode))
        case .assign(let gate): encode(Request(order: .assign, gate: gate))
        }
    }

    /// Nil, with what is wrong, for a line that is no order.
    static func order(_ line: String) -> Result<LaneCommand, ControlError> {
        guard let request = try? JSONDecoder().decode(Request.self, from: Data(line.utf8)) else {
            return .failure(ControlError("not an order that this gate knows"))
        }
        switch request.order {
        case .admit:
            guard let reason = text(request.reason) else { return .failure(ControlError("a reason is needed")) }
            guard let hex = request.uid else { return .success(.admit(uid: nil, reason: reason)) }
            guard let uid = Hex.decode(hex), TapLine.uidBytes.contains(uid.count) else {
                return .failure(ControlError("a UID of 1 to 32 bytes of hex is needed"))
            }
            return .success(.admit(uid: uid, reason: reason))
        case .mode:
            guard let mode = request.mode else { return .failure(ControlError("a mode is needed")) }
            return .success(.mode(mode))
        case .assign:
            guard let given = request.gate else { return .success(.assign(gate: nil)) }
            guard let gate = text(given) else { return .failure(ControlError("a gate's name is needed")) }
            return .success(.assign(gate: gate))
        }
    }

    static func line(_ answer: CommandResult) -> String {
        switch answer {
        case .done(let text): encode(Answer(done: true, text: text))
        case .refused(let text): encode(Answer(done: false, text: text))
        }
    }

    static func answer(_ line: String) -> CommandResult? {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(line.utf8)) else { return nil }
        return answer.done ? .done(answer.text) : .refused(answer.text)
    }

    /// Nil unless it is words: neither blank nor too long, and without control characters, which could dress up a log.
    private static func text(_ given: String?) -> String? { given.flatMap { isText($0) ? $0 : nil } }

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

/// Why an order did not reach a lane, or is none.
package struct ControlError: Error, Hashable, CustomStringConvertible, Sendable {
    package let description: String
    init(_ description: String) { self.description = description }
}
