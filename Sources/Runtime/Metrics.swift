import Glibc
import Synchronization

/// Metric objects are made once, at start, and are cheap to touch from any thread.
public final class Metrics: Sendable {
    private let families = Mutex<[any MetricFamily]>([])

    public init() {}

    public func counter(_ name: String, _ help: String) -> Counter { register(Counter(name, help)) }
    public func gauge(_ name: String, _ help: String) -> Gauge { register(Gauge(name, help)) }
    public func histogram(_ name: String, _ help: String, bounds: [Double]) -> Histogram {
        register(Histogram(name, help, bounds: bounds))
    }
    /// A metric that is computed when it is read.
    public func computed(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Double) {
        _ = register(ComputedGauge(name, help, value))
    }

    private func register<Family: MetricFamily>(_ family: Family) -> Family {
        families.withLock { $0.append(family) }
        return family
    }

    /// Prometheus text exposition format 0.0.4, families with labels under one header, by name.
    public func render() -> String {
        let all = families.withLock { $0 }.map { (base: String($0.name.prefix { $0 != "{" }), family: $0) }
        var text = ""
        var last = ""
        // By base name first: `a_b` sorts between `a` and `a{...}`.
        for (base, family) in all.sorted(by: { ($0.base, $0.family.name) < ($1.base, $1.family.name) }) {
            if base != last {
                text += "# HELP \(base) \(family.help)\n# TYPE \(base) \(family.kind)\n"
                last = base
            }
            text += family.samples()
        }
        return text
    }
}

protocol MetricFamily: Sendable {
    /// With its labels, as in `name{label="value"}`.
    var name: String { get }
    var help: String { get }
    var kind: String { get }
    func samples() -> String
}

/// A count that only rises. The name may carry labels: `tapline_quarantined_batches_total{reason="malformed"}`.
public final class Counter: MetricFamily {
    let name: String
    let help: String
    let kind = "counter"
    private let count = Atomic<Int>(0)
    init(_ name: String, _ help: String) { (self.name, self.help) = (name, help) }

    public func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    public var value: Int { count.load(ordering: .relaxed) }
    func samples() -> String { "\(name) \(value)\n" }
}

/// A whole number that rises and falls.
public final class Gauge: MetricFamily {
    let name: String
    let help: String
    let kind = "gauge"
    private let current = Atomic<Int>(0)
    init(_ name: String, _ help: String) { (self.name, self.help) = (name, help) }

    public func set(_ value: Int) { current.store(value, ordering: .relaxed) }
    public func add(_ amount: Int) { current.wrappingAdd(amount, ordering: .relaxed) }
    public var value: Int { current.load(ordering: .relaxed) }
    func samples() -> String { "\(name) \(value)\n" }
}

final class ComputedGauge: MetricFamily {
    let name: String
    let help: String
    let kind = "gauge"
    private let compute: @Sendable () -> Double
    init(_ name: String, _ help: String, _ compute: @escaping @Sendable () -> Double) {
        (self.name, self.help, self.compute) = (name, help, compute)
    }
    func samples() -> String { "\(name) \(compute())\n" }
}

/// Observations in buckets of fixed upper bounds, in the unit that the name ends with.
public final class Histogram: MetricFamily {
    let name: String
    let help: String
    let kind = "histogram"
    private let bounds: [Double]
    private struct State {
        var counts: [Int]
        var sum = 0.0
    }
    private let state: Mutex<State>

    init(_ name: String, _ help: String, bounds: [Double]) {
        (self.name, self.help, self.bounds) = (name, help, bounds)
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    public func observe(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func samples() -> String {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        var text = ""
        var running = 0
        for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], counts) {
            running += count
            text += "\(name)_bucket{le=\"\(bound)\"} \(running)\n"
        }
        return text + "\(name)_sum \(sum)\n\(name)_count \(running)\n"
    }
}
