import Glibc

/// The random ID of a boot of this machine. Times of the monotonic clock are comparable only within one boot.
package struct BootID: Hashable, Sendable {
    /// 16 bytes.
    package let bytes: [UInt8]

    /// Creates an ID.
    ///
    /// - Parameter bytes: exactly 16 bytes (precondition).
    package init(bytes: [UInt8]) {
        precondition(bytes.count == 16)
        self.bytes = bytes
    }

    /// Parses the text of a UUID. Returns `nil` if it does not have 32 hexadecimal digits.
    package init?(text: some StringProtocol) {
        let digits = text.filter { $0 != "-" }.compactMap(\.hexDigitValue)
        guard digits.count == 32 else { return nil }
        bytes = stride(from: 0, to: 32, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// 32 lower-case hexadecimal digits.
    package var text: String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// The present boot of this machine; `nil` if the kernel does not report it.
    package static let current: BootID? = {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = fread(&buffer, 1, buffer.count, file)
        let text = String(decoding: buffer.prefix(count), as: UTF8.self)
        return BootID(text: text.prefix { !$0.isWhitespace })
    }()
}
