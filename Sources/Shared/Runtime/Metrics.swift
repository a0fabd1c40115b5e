import Synchronization

/// Metric objects are made once, at start, and are cheap to touch from any thread.
///
/// A name may carry labels, as in `tapline_quarantined_batches_total{reason="malformed"}`.
package final class Metrics: Sendable {
    private struct Family: Sendable {
        let name: String
        let help: String
        let kind: String
        let samples: @Sendable () -> String
        /// Without labels.
        var base: String { String(name.prefix { $0 != "{" }) }
    }
    private let families = Mutex<[Family]>([])

    package init() {}

    package func counter(_ name: String, _ help: String) -> Counter {
        let counter = Counter()
        add(name, help, "counter") { "\(name) \(counter.value)\n" }
        return counter
    }

    package func gauge(_ name: String, _ help: String) -> Gauge {
        let gauge = Gauge()
        add(name, help, "gauge") { "\(name) \(gauge.value)\n" }
        return gauge
    }

    /// - Parameter bounds: upper bounds of the buckets, rising, in the unit that the name ends with. The name has no labels.
    package func histogram(_ name: String, _ help: String, bounds: [Double]) -> Histogram {
        let histogram = Histogram(bounds: bounds)
        add(name, help, "histogram") { histogram.samples(name) }
        return histogram
    }

    /// A metric that is computed when it is read.
    package func computed(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Double) {
        add(name, help, "gauge") { "\(name) \(value())\n" }
    }

    private func add(_ name: String, _ help: String, _ kind: String, _ samples: @escaping @Sendable () -> String) {
        families.withLock { $0.append(Family(name: name, help: help, kind: kind, samples: samples)) }
    }

    /// Prometheus text exposition format 0.0.4, families with labels under one header, by name.
    package func render() -> String {
        var text = ""
        var last = ""
        // By base name first: `a_b` sorts between `a` and `a{...}`.
        for family in families.withLock({ $0 }).sorted(by: { ($0.base, $0.name) < ($1.base, $1.name) }) {
            if family.base != last {
                last = family.base
                text += "# HELP \(last) \(family.help)\n# TYPE \(last) \(family.kind)\n"
            }
            text += family.samples()
        }
        return text
    }
}

/// A count that only rises.
package final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    /// A counter that no metrics page shows. `Metrics.counter` returns one that it does.
    package init() {}

    package func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    package var value: Int { count.load(ordering: .relaxed) }
}

/// A whole number that rises and falls.
package final class Gauge: Sendable {
    private let current = Atomic<Int>(0)

    package func set(_ value: Int) { current.store(value, ordering: .relaxed) }
    package func add(_ amount: Int) { current.wrappingAdd(amount, ordering: .relaxed) }
    package var value: Int { current.load(ordering: .relaxed) }
}

/// Observations in buckets of fixed upper bounds.
package final class Histogram: Sendable {
    private let bounds: [Double]
    private struct State {
        var counts: [Int]
        var sum = 0.0
    }
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    package func observe(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func samples(_ name: String) -> String {
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
