/// received - sent of a journal's last publishes, in microseconds; the smallest is an upper bound of how far the device's
/// clock is behind (SPEC.md section 4).
struct SkewWindow: Equatable, Sendable {
    static let size = 20

    /// Oldest first.
    private(set) var values: [Int64]

    init(_ values: [Int64] = []) { self.values = Array(values.suffix(SkewWindow.size)) }

    mutating func add(_ skew: Int64) {
        if values.count == SkewWindow.size { values.removeFirst() }
        values.append(skew)
    }

    var skew: Int64? { values.min() }
}
