/// The identity of a device: `[a-z0-9][a-z0-9-]{0,62}` (contract.md section 2).
package struct ScannerID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The identity as text, 1 to 63 characters of ASCII.
    package let text: String

    /// Creates an identity; `nil` for a text of another form.
    package init?(_ text: some StringProtocol) {
        let bytes = text.utf8
        guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"),
            bytes.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
        else { return nil }
        self.text = String(text)
    }

    /// The identity as text.
    package var description: String { text }
    /// Orders by bytes.
    package static func < (left: ScannerID, right: ScannerID) -> Bool { left.text < right.text }
}
