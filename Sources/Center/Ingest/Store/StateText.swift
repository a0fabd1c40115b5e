import Runtime
import ScanBatchCodec

/// `state` of a batch as JSON text.
enum StateText {
    /// Nil for an empty map: the row keeps what it has.
    static func json(_ state: [String: ScanBatch.StateValue]) -> String? {
        guard !state.isEmpty else { return nil }
        let pairs = state.sorted { $0.key < $1.key }.map { key, value in
            let text =
                switch value {
                case .text(let text): JSONText.quote(safe(text))
                case .int(let number): String(number)
                case .double(let number): number.isFinite ? "\(number)" : "null"
                }
            return JSONText.quote(safe(key)) + ":" + text
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }

    /// jsonb holds no NUL.
    private static func safe(_ text: String) -> String {
        guard text.utf8.contains(0) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value == 0 ? "\u{fffd}" : $0 }))
    }
}
