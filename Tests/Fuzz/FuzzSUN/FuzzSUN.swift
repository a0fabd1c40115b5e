import Crypto
import FuzzDriver

@testable import Readers

/// Secure messages of chips, and files with their keys.
@main enum FuzzSUN {
    static func main() {
        guard let zeros = AES128(key: [UInt8](repeating: 0, count: AES128.length)) else { fatalError("no key") }
        let keys = SecureMessageKeys([
            SecureMessageKeys.KeySet(meta: zeros, file: zeros, diversification: .none),
            SecureMessageKeys.KeySet(meta: zeros, file: zeros, diversification: .uid(system: [1, 2])),
        ])
        fuzz { bytes in
            _ = SecureMessage.Finding(uri: bytes)
            _ = try? SecureMessageKeys(text: String(decoding: bytes, as: UTF8.self))
            var input = FuzzInput(bytes)
            let uid = input.piece()
            _ = keys.identify(uid: uid, ndef: input.all())
        }
    }
}
