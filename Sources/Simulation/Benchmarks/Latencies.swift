/// Durations of single calls, in nanoseconds. They are only collected while the clock runs, and evaluated at the end.
struct Latencies {
    private var values: [UInt64] = []

    init(count: Int) { values.reserveCapacity(count) }

    mutating func add(_ nanoseconds: UInt64) { values.append(nanoseconds) }

    /// Median, p99, p99.9 and maximum in microseconds, in the format of the floor program.
    func line() -> String {
        let sorted = values.sorted()
        guard let last = sorted.last else { return "0 0 0 0" }
        let wanted = [
            sorted[sorted.count / 2], sorted[sorted.count * 99 / 100], sorted[sorted.count * 999 / 1_000], last,
        ]
        return wanted.map { "\(($0 + 5) / 1_000).\(padded(($0 + 5) % 1_000 / 10))" }.joined(separator: " ")
    }

    private func padded(_ hundredths: UInt64) -> String { hundredths < 10 ? "0\(hundredths)" : "\(hundredths)" }
}
