package import Crypto

/// The secure unique NFC messages (SUN) of an NTAG 424 DNA, after NXP AN12196.
///
/// At each read, the chip adds its encrypted UID and read counter to the URL in its NDEF file. A MAC over them follows.
/// A chip draws five random padding bytes. Here they derive from the counter, so that a run is repeatable.
package struct SunChip: Sendable {
    /// 7 bytes.
    package let uid: [UInt8]
    /// Number of reads, 24 bits. The next message contains the next number.
    package var counter: UInt32
    /// The URL without its query. The message is the query.
    package var url = "https://band.example/"
    /// File data in blocks of 16 bytes, sent encrypted before the MAC, which covers them; empty for none.
    package var fileData: [UInt8] = []

    private let meta: AES128
    private let file: AES128

    static let uidBytes = 7
    /// PICCDataTag: the data contain a UID of 7 bytes and the counter.
    private static let content: UInt8 = 0xc7
    private static let counterLimit: UInt32 = 0xff_ffff

    /// - Parameters:
    ///   - meta: the key for UID and counter, shared by all chips.
    ///   - file: the key of this chip, after diversification.
    package init(uid: [UInt8], meta: AES128, file: AES128, counter: UInt32 = 0) {
        precondition(uid.count == SunChip.uidBytes, "the UID of an NTAG 424 DNA has 7 bytes")
        self.uid = uid
        self.meta = meta
        self.file = file
        self.counter = counter
    }

    /// Increases the counter and returns the URL of this read.
    mutating func read() -> String {
        // At its limit the counter stays, and the message repeats.
        counter = min(counter + 1, SunChip.counterLimit)
        let padding = (0..<5).map { UInt8(truncatingIfNeeded: (counter &* 0x9e37_79b9) >> (4 * $0)) }
        return message(padding: padding)
    }

    /// The URL of a read with the present counter.
    ///
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
