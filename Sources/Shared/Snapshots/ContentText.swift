/// Rows as text, as a snapshot's content is defined (SPEC.md section 6): values as SQLite's `quote()` gives them, joined by
/// `,`, one row a line. Made by hand, for a million rows through `quote()` and String take seconds.
package struct ContentText {
    package private(set) var bytes: [UInt8] = []
    private var isInsideRow = false

    package init() {}

    package mutating func append(_ number: Int64) {
        separate()
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        var low = bytes.count
        // Two digits a division, the last first.
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

    package mutating func appendNull() {
        separate()
        bytes.append(contentsOf: "NULL".utf8)
    }

    /// UTF-8 without NUL, at which `quote()` would stop.
    package mutating func append(text: some Sequence<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "'"))
        for byte in text {
            if byte == UInt8(ascii: "'") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "'"))
    }

    package mutating func endRow() {
        bytes.append(UInt8(ascii: "\n"))
        isInsideRow = false
    }

    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    private mutating func separate() {
        if isInsideRow { bytes.append(UInt8(ascii: ",")) }
        isInsideRow = true
    }
}
