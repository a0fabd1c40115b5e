/// Where an emulated tag's NDEF message comes from.
enum NDEFSource: Sendable {
    /// The same message at each read.
    case fixed([UInt8])
    /// A different message at each read.
    case sun(SunChip)

    mutating func next() -> [UInt8] {
        switch self {
        case .fixed(let message): return message
        case .sun(var chip):
            let url = chip.read()
            self = .sun(chip)
            return NDEFSource.record(url: url)
        }
    }

    private static let prefixes: [(code: UInt8, text: String)] = [(0x04, "https://"), (0x03, "http://")]

    /// One well-known URI record (NFC Forum URI RTD 1.0), in the short format if it fits.
    static func record(url: String) -> [UInt8] {
        let prefix = prefixes.first { url.hasPrefix($0.text) }
        let payload = [prefix?.code ?? 0x00] + Array(url.utf8.dropFirst(prefix?.text.utf8.count ?? 0))
        let type = UInt8(ascii: "U")
        guard payload.count > 255 else { return [0xd1, 0x01, UInt8(payload.count), type] + payload }
        let length = bigEndian(payload.count)
        return [0xc1, 0x01] + length + [type] + payload
    }

    private static func bigEndian(_ count: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    }
}
