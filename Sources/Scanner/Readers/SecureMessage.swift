import Crypto
package import ScanModel

/// A secure unique NFC message (SUN, also SDM) of an NTAG 424 DNA, as its NDEF file gives it (NXP AN12196, chapter 4): UID and
/// read counter, encrypted or plain, perhaps encrypted file data, and a MAC over what follows from them. A pure value.
///
/// The chip writes them into the query of a URL: `picc_data` (also `e`, `p`, `d`, `picc`) with the encrypted UID and counter, or
/// `uid` and `ctr` in plain; `enc` with the file data; `cmac` (also `c`, `m`, `mac`) with the MAC. One parameter may hold all three
/// behind one another. The MAC covers the text from the file data to the MAC, or nothing where there is no file data.
package struct SecureMessage: Hashable, Sendable {
    /// UID and counter as they were sent.
    enum Identity: Hashable, Sendable {
        /// 16 bytes under the meta key.
        case encrypted([UInt8])
        case plain(uid: [UInt8], counter: Int64)
    }

    /// What a verified message says.
    package struct Content: Hashable, Sendable {
        /// 7 bytes.
        package let uid: [UInt8]
        /// How often the chip was read, this time included: 24 bits.
        package let counter: Int64
        /// Decrypted; empty when the message has none.
        package let fileData: [UInt8]
    }

    /// Bytes of the UID of such a chip.
    package static let uidLength = 7
    static let macLength = 8
    /// Most bytes of file data: the NDEF file has 256, in which each takes two digits.
    static let fileDataLimitBytes = 112

    let identity: Identity
    /// Empty, or whole blocks.
    let fileData: [UInt8]
    /// As text: what the chip put its MAC over.
    let macInput: [UInt8]
    let mac: [UInt8]

    /// What the message says, if one of the key sets made it; nil if none did. The MACs are compared in constant time, and a
    /// message whose decryption is no UID still costs a MAC, so that the time tells nothing of either key.
    package func content(_ keys: SecureMessageKeys) -> Content? {
        var content: Content?
        // No early end: which set fits shall not show.
        for set in keys.sets {
            if let found = self.content(set), content == nil { content = found }
        }
        return content
    }

    private func content(_ keys: SecureMessageKeys.KeySet) -> Content? {
        let (uid, counter, isSound) = identified(keys)
        let counterBytes = (0..<3).map { UInt8(truncatingIfNeeded: counter >> Int64(8 * $0)) }
        let key = keys.fileKey(of: uid)
        let session = CMAC(key).authenticate(SecureMessage.macVector + uid + counterBytes)
        let full = CMAC(AES128(key: session)!).authenticate(macInput)
        // AN12196: of the 16 bytes the odd ones, counted from 0.
        let isAuthentic = constantTimeEqual((0..<SecureMessage.macLength).map { full[2 * $0 + 1] }, mac)
        guard isAuthentic, isSound else { return nil }
        return Content(
            uid: uid, counter: counter, fileData: decrypted(key, uid + counterBytes, counterBytes))
    }

    private func identified(_ keys: SecureMessageKeys.KeySet) -> (uid: [UInt8], counter: Int64, isSound: Bool) {
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

    /// PICCDataTag: UID and counter mirrored, 7 bytes of UID. Without a counter a copy could not be told from the chip.
    private static let tagOfUIDAndCounter: UInt8 = 0xC7
    /// What the session vectors SV2 (MAC) and SV1 (file data) begin with.
    private static let macVector: [UInt8] = [0x3C, 0xC3, 0x00, 0x01, 0x00, 0x80]
    private static let dataVector: [UInt8] = [0xC3, 0x3C, 0x00, 0x01, 0x00, 0x80]
}

extension SecureMessageKeys {
    /// Who a chip is, and what stands behind that.
    ///
    /// A message that verifies makes it `sun:` and the UID within. One that does not verify, or that verifies for another UID
    /// than the chip shows when it is selected (a copy that plays back what it recorded), is forged, and keeps the UID shown.
    ///
    /// - Parameters:
    ///   - uid: as the chip shows it when it is selected; 4 bytes from 08 when it draws a new one each time.
    ///   - ndef: its NDEF message; nil or anything but a secure message: the chip is known by its UID only.
    package func identify(uid: [UInt8], ndef: [UInt8]?) -> (identity: TagIdentity, proof: Tap.Proof) {
        guard let ndef, let message = NDEF.uri(ndef).flatMap({ SecureMessage.Finding(uri: $0) }) else {
            return SecureMessageKeys.identify(uid: uid)
        }
        guard case .message(let message) = message, let content = message.content(self),
            SecureMessageKeys.isRandom(uid) || content.uid == uid
        else { return (.uid(uid), .forged) }
        return (.sun(content.uid), .authentic(counter: content.counter))
    }

    /// Who a chip is that sent nothing but its UID.
    package static func identify(uid: [UInt8]) -> (identity: TagIdentity, proof: Tap.Proof) {
        (.uid(uid), isRandom(uid) ? .randomUID : .uid)
    }

    /// Whether the chip draws its UID anew each time (ISO 14443-3: single size, first byte 08).
    static func isRandom(_ uid: [UInt8]) -> Bool { uid.count == 4 && uid[0] == 0x08 }
}
