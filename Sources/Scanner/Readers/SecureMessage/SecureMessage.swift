import Crypto
import ScanModel

/// A secure unique NFC message (SUN, also SDM) of an NTAG 424 DNA. It is in the NDEF file (NXP AN12196, chapter 4). A
/// pure value.
///
/// It contains UID and read counter, encrypted or plain, optional encrypted file data, and a MAC. The chip writes them
/// into the query of a URL:
/// - `picc_data` (also `e`, `p`, `d`, `picc`): the encrypted UID and counter. In plain: `uid` and `ctr`.
/// - `enc`: the file data.
/// - `cmac` (also `c`, `m`, `mac`): the MAC.
///
/// One parameter may contain all three in this order. The MAC covers the text from the file data to the MAC. Without
/// file data it covers no text.
struct SecureMessage: Hashable, Sendable {
    /// UID and counter in the form in which they were sent.
    enum Identity: Hashable, Sendable {
        /// 16 bytes, encrypted with the meta key.
        case encrypted([UInt8])
        case plain(uid: [UInt8], counter: Int64)
    }

    /// The content of a verified message.
    struct Content: Hashable, Sendable {
        /// 7 bytes.
        let uid: [UInt8]
        /// Number of reads of the chip, including this one: 24 bits.
        let counter: Int64
        /// Decrypted file data. Empty if the message has none.
        let fileData: [UInt8]
    }

    /// Length of the UID of such a chip in bytes.
    static let uidLength = 7
    static let macLength = 8
    /// Maximum size of the file data. The NDEF file has 256 bytes, and each byte of file data takes two digits.
    static let fileDataLimitBytes = 112

    let identity: Identity
    /// Empty, or complete AES blocks.
    let fileData: [UInt8]
    /// The text that the MAC covers.
    let macInput: [UInt8]
    let mac: [UInt8]

    /// Verifies and decrypts the message.
    ///
    /// The MACs are compared in constant time. The MAC is also computed for a message without a valid UID, so that the
    /// duration reveals no key.
    ///
    /// - Returns: The content, or `nil` if the message verifies with no key set.
    func content(_ keys: SecureMessageKeys) -> Content? {
        var content: Content?
        // All sets are tried, so that the duration does not reveal which one matches.
        for set in keys.sets {
            if let found = self.content(set), content == nil { content = found }
        }
        return content
    }

    private func content(_ keys: SecureMessageKeys.KeySet) -> Content? {
        let (uid, counter, isValid) = identified(keys)
        let counterBytes = (0..<3).map { UInt8(truncatingIfNeeded: counter >> Int64(8 * $0)) }
        let key = keys.fileKey(of: uid)
        let session = CMAC(key).authenticate(SecureMessage.macVector + uid + counterBytes)
        let full = CMAC(AES128(key: session)!).authenticate(macInput)
        // AN12196: the bytes with odd numbers, counted from 0.
        let isAuthentic = constantTimeEqual((0..<SecureMessage.macLength).map { full[2 * $0 + 1] }, mac)
        guard isAuthentic, isValid else { return nil }
        return Content(
            uid: uid, counter: counter, fileData: decrypted(key, uid + counterBytes, counterBytes))
    }

    private func identified(_ keys: SecureMessageKeys.KeySet) -> (uid: [UInt8], counter: Int64, isValid: Bool) {
        switch identity {
        case .plain(let uid, let counter): return (uid, counter, true)
        case .encrypted(let bytes):
            let plain = keys.meta.decrypt(bytes)
            let uid = Array(plain[1...SecureMessage.uidLength])
            let counter = plain[8...10].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
            return (uid, counter, plain[0] == SecureMessage.tagOfUIDAndCounter)
        }
    }

    private func decrypted(_ key: AES128, _ context: [UInt8], _ counter: [UInt8]) -> [UInt8] {
        if fileData.isEmpty { return [] }
        let session = AES128(key: CMAC(key).authenticate(SecureMessage.dataVector + context))!
        let iv = session.encrypt(block: counter + [UInt8](repeating: 0, count: AES128.length - counter.count))
        return session.decrypt(fileData, iv: iv)
    }

    /// PICCDataTag: UID of 7 bytes and counter. Without a counter, a recorded message would verify again.
    private static let tagOfUIDAndCounter: UInt8 = 0xC7
    /// Constant start of the session vectors SV2 (MAC) and SV1 (file data).
    private static let macVector: [UInt8] = [0x3C, 0xC3, 0x00, 0x01, 0x00, 0x80]
    private static let dataVector: [UInt8] = [0xC3, 0x3C, 0x00, 0x01, 0x00, 0x80]
}

extension SecureMessageKeys {
    /// Identifies a chip.
    ///
    /// With a message that verifies, the identity is the UID in the message. Otherwise the proof is `forged`, and the
    /// identity is the UID that the chip sent when it was selected. A message with another UID than that one is also
    /// `forged`: a replayed recording.
    ///
    /// - Parameters:
    ///   - uid: The UID that the chip sent when it was selected. A random one has 4 bytes and begins with 08.
    ///   - ndef: The NDEF message. If it is `nil` or no secure message, the chip is identified by its UID.
    /// - Returns: The identity and its proof.
    func identify(uid: [UInt8], ndef: [UInt8]?) -> (identity: TagIdentity, proof: Tap.Proof) {
        guard let ndef, let message = NDEF.uri(ndef).flatMap({ SecureMessage.Finding(uri: $0) }) else {
            return SecureMessageKeys.identify(uid: uid)
        }
        guard case .message(let message) = message, let content = message.content(self),
            SecureMessageKeys.isRandom(uid) || content.uid == uid
        else { return (.uid(uid), .forged) }
        return (.sun(content.uid), .authentic(counter: content.counter))
    }

    /// Identifies a chip that sent only its UID.
    static func identify(uid: [UInt8]) -> (identity: TagIdentity, proof: Tap.Proof) {
        (.uid(uid), isRandom(uid) ? .randomUID : .uid)
    }

    /// Returns whether the UID is a random one that changes with each selection (ISO 14443-3: 4 bytes, the first is
    /// 08).
    static func isRandom(_ uid: [UInt8]) -> Bool { ChipUID.problem(uid) == .random }
}
