import CQREncode
package import ErrorModel
import Glibc

/// A QR code (ISO/IEC 18004) of a text, by libqrencode, at the lowest level of error correction.
///
/// Upper-case letters, digits and ` $%*+-./:` take 5.5 bits each, other characters 8 bits a byte.
package struct QRCode: Sendable {
    /// Width of the light margin that readers need, in modules.
    private static let margin = 4

    /// Number of modules in a row and in a column, without the margin.
    package let width: Int
    private let dark: [Bool]

    /// Encodes a text.
    ///
    /// - Parameter text: without zero bytes; at most 2,953 bytes, or 4,296 characters of the dense mode.
    /// - Throws: `QRCodeError` for a text that is empty or too long.
    package init(_ text: String) throws(QRCodeError) {
        guard !text.utf8.contains(0), let code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1) else {
            throw QRCodeError(cause: text.utf8.contains(0) ? EINVAL : errno)
        }
        defer { QRcode_free(code) }
        let width = Int(code.pointee.width)
        // The lowest bit is the colour of the module.
        dark = UnsafeBufferPointer(start: code.pointee.data, count: width * width).map { $0 & 1 == 1 }
        self.width = width
    }

    /// Returns whether a module is dark; `false` in the margin.
    package func isDark(row: Int, column: Int) -> Bool {
        (0..<width).contains(row) && (0..<width).contains(column) && dark[row * width + column]
    }

    /// Returns the code for a terminal: two modules in each character, one above the other.
    ///
    /// - Parameter hasColours: whether the terminal sets white on black, whatever its own colours are. Without, the
    ///   code is right on a dark background.
    /// - Returns: lines with a line break after each.
    package func terminalText(hasColours: Bool) -> String {
        let columns = -Self.margin..<width + Self.margin
        return stride(from: -Self.margin, to: width + Self.margin, by: 2).map { row in
            let line = columns.map { column in
                switch (isDark(row: row, column: column), isDark(row: row + 1, column: column)) {
                case (false, false): "\u{2588}"
                case (false, true): "\u{2580}"
                case (true, false): "\u{2584}"
                case (true, true): " "
                }
            }.joined()
            return hasColours ? "\u{1B}[40;97m\(line)\u{1B}[0m\n" : "\(line)\n"
        }.joined()
    }
}

/// A text that is no QR code.
package struct QRCodeError: OperationError {
    let cause: Int32

    /// The cause.
    package var description: String { "QR code: \(String(cString: strerror(cause)))" }
    /// Always `.failure`.
    package var category: ErrorCategory { .failure }
}
