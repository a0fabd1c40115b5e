package import Crypto

/// What an NTAG 424 DNA adds to the URL in its NDEF file at each read: its encrypted UID and read counter, and a MAC over them
/// (NXP AN12196, secure unique NFC messages).
///
/// The UID and counter part ends with five bytes that a chip draws at random; here they come from the counter, so that a run
/// can be repeated.
package struct SunChip: Sendable {
    /// 7 bytes.
    package let uid: [UInt8]
    /// Reads so far; the next message has one more. 24 bits.
    package var counter: UInt32
    /// Where the URL leads; the message is its query.
    package var url = "https://band.example/"
    /// 16 bytes a block, sent encrypted in front of the MAC, which then covers them too; empty: none.
    package var fileData: [UInt8] = []

    private let meta: AES128
    private let file: AES128

    static let uidBytes = 7
    /// Tags: PICCData holds UID and counter, a UID of 7 bytes.
    private static let content: UInt8 = 0xc7
    private static let counterLimit: UInt32 = 0xff_ffff

    /// - Parameters:
    ///   - meta: the key for UID and counter, shared by all chips.
    ///   - file: this chip's own key, diversified already where that is the custom.
    package init(uid: [UInt8], meta: AES128, file: AES128, counter: UInt32 = 0) {
        precondition(uid.count == SunChip.uidBytes, "these chips have 7 bytes of UID")
        (self.uid, self.meta, self.file, self.counter) = (uid, meta, file, counter)
    }

    /// Counts, and gives the URL of this read.
    mutating func read() -> String {
        // The chip stops counting at its end, and says the same for ever.
        counter = min(counter + 1, SunChip.counterLimit)
        let padding = (0..<5).map { UInt8(truncatingIfNeeded: (counter &* 0x9e37_79b9) >> (4 * $0)) }
        return message(padding: padding)
    }

    /// - Parameter padding: 5 bytes.
    func message(padding: [UInt8]) -> String {
        let picc = meta.encrypt([SunChip.content] + uid + littleEndian + padding)
        var query = "picc_data=" + SunChip.text(picc)
        var covered: [UInt8] = []
        if !fileData.isEmpty {
            let key = sessionKey([0xc3, 0x3c])
            let iv = key.encrypt(block: littleEndian + [UInt8](repeating: 0, count: 13))
            let text = SunChip.text(key.encrypt(fileData, iv: iv)) + "&cmac="
            covered = Array(text.utf8)
            query += "&enc=" + text
        } else {
            query += "&cmac="
        }
        let mac = CMAC(sessionKey([0x3c, 0xc3])).authenticate(covered)
        return url + "?" + query + SunChip.text(mac.indices.filter { !$0.isMultiple(of: 2) }.map { mac[$0] })
    }

    private var littleEndian: [UInt8] { [0, 8, 16].map { UInt8(truncatingIfNeeded: counter >> $0) } }

    // The session vectors SV1 (c33c: encryption) and SV2 (3cc3: MAC).
    private func sessionKey(_ label: [UInt8]) -> AES128 {
        AES128(key: CMAC(file).authenticate(label + [0x00, 0x01, 0x00, 0x80] + uid + littleEndian))!
    }

    private static func text(_ bytes: [UInt8]) -> String { Hex.encode(bytes).uppercased() }
}
