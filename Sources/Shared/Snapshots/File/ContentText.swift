/// Rows as the text over which a snapshot's content hash is computed (contract.md section 6). Values have the form of
/// SQLite's `quote()` and are joined by `,`; one row per line. `quote()` and String would take seconds for a million
/// rows.
package struct ContentText {
    /// The text of the rows since the last `clear`, in UTF-8.
    package private(set) var bytes: [UInt8] = []
    private var isInsideRow = false

    /// Creates an empty text.
    package init() {}

    /// Appends a number to the row.
    package mutating func append(_ number: Int64) {
        separate()
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var low = bytes.count
        // Two digits per division, the lowest first.
        while rest >= 10 {
            let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
            let (tens, ones) = (UInt8(truncatingIfNeeded: pair / 10), UInt8(truncatingIfNeeded: pair % 10))
            bytes.append(UInt8(ascii: "0") + ones)
            bytes.append(UInt8(ascii: "0") + tens)
            rest = quotient
        }
        if rest > 0 || number == 0 { bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest)) }
        var high = bytes.count - 1
        while low < high {
            bytes.swapAt(low, high)
            low += 1
            high -= 1
        }
    }

    /// Appends NULL to the row.
    package mutating func appendNull() {
        separate()
        bytes.append(contentsOf: "NULL".utf8)
    }

    /// Appends a text to the row.
    ///
    /// - Parameter text: UTF-8 without NUL, at which `quote()` would stop.
    package mutating func append(text: some Sequence<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "'"))
        for byte in text {
            if byte == UInt8(ascii: "'") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "'"))
    }

    /// Ends the row with a newline.
    package mutating func endRow() {
        bytes.append(UInt8(ascii: "\n"))
        isInsideRow = false
    }

    /// Empties `bytes` and keeps its capacity.
    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    private mutating func separate() {
        if isInsideRow { bytes.append(UInt8(ascii: ",")) }
        isInsideRow = true
    }
}
