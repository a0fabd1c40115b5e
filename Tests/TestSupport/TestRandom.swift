/// SplitMix64 (Steele, Lea, Flood 2014). The same seed gives the same numbers on every machine, so that a run is
/// repeatable.
package struct TestRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }
    package init(_ seed: Int) { state = UInt64(bitPattern: Int64(seed)) }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    /// Returns the seeds of a test with made-up data: those up to `some`, and up to `all` in a run of `scripts/test --all`.
    package static func seeds(_ some: Int, of all: Int) -> ClosedRange<Int> {
        1...(Environment.value("TAPLINE_TEST_SEEDS") == "all" ? all : some)
    }
}
