import Synchronization

/// A registry of metrics. Create metric objects once, at the start; they can be updated from any thread at low cost.
///
/// A name may have labels, for example `tapline_quarantined_batches_total{reason="malformed"}`.
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

    /// Creates a registry without metrics.
    package init() {}

    /// Creates a counter.
    ///
    /// - Parameters:
    ///   - name: name with optional labels; users query it, so it is part of the interface.
    ///   - help: help text.
    /// - Returns: the counter, which starts at 0.
    package func counter(_ name: String, _ help: String) -> Counter {
        let counter = Counter()
        add(name, help, "counter") { "\(name) \(counter.value)\n" }
        return counter
    }

    /// Creates a gauge.
    ///
    /// - Parameters:
    ///   - name: name with optional labels; users query it, so it is part of the interface.
    ///   - help: help text.
    /// - Returns: the gauge, which starts at 0.
    package func gauge(_ name: String, _ help: String) -> Gauge {
        let gauge = Gauge()
        add(name, help, "gauge") { "\(name) \(gauge.value)\n" }
        return gauge
    }

    /// Creates a histogram.
    ///
    /// - Parameters:
    ///   - name: name without labels, which ends with the unit.
    ///   - help: help text.
    ///   - bounds: upper bounds of the buckets, ascending, in that unit.
    /// - Returns: the histogram.
    package func histogram(_ name: String, _ help: String, bounds: [Double]) -> Histogram {
        let histogram = Histogram(bounds: bounds)
        add(name, help, "histogram") { histogram.samples(name) }
        return histogram
    }

    /// Adds a gauge that is computed when it is read.
    package func computed(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Double) {
        add(name, help, "gauge") { "\(name) \(value())\n" }
    }

    /// Type of a metric whose samples are computed.
    package enum Kind: String, Sendable {
        /// A number that only increases, or starts at 0 again.
        case counter
        /// A number that increases and decreases.
        case gauge
    }

    /// A sample of a computed metric: names and texts of its labels, and its value.
    package typealias Row = (labels: [(String, String)], value: Double)

    /// Adds a metric whose samples are computed when they are read. A sample that is no longer returned vanishes.
    ///
    /// Without samples the page has its help and type only. An unknown value is a row that is left out, never 0.
    ///
    /// - Parameters:
    ///   - name: name without labels; users query it, so it is part of the interface.
    ///   - help: help text.
    ///   - type: type of the metric.
    ///   - rows: returns the samples. Their labels differ. The texts may hold any character. It must not block.
    package func table(_ name: String, _ help: String, type: Kind, _ rows: @escaping @Sendable () -> [Row]) {
        add(name, help, type.rawValue) {
            rows().map { row in
                let labels = row.labels.map { "\($0.0)=\"\(Metrics.escaped($0.1))\"" }.joined(separator: ",")
                return "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(row.value)\n"
            }.joined()
        }
    }

    /// Returns a text as the value of a label: with escapes for a backslash, a quote and a line feed.
    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return text }
        return text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: String(scalar)
            }
        }.joined()
    }

    private func add(_ name: String, _ help: String, _ kind: String, _ samples: @escaping @Sendable () -> String) {
        families.withLock { $0.append(Family(name: name, help: help, kind: kind, samples: samples)) }
    }

    /// Returns all metrics in Prometheus text exposition format 0.0.4, sorted by name.
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

/// A number that only increases.
package final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    /// A counter that no metrics page shows. `Metrics.counter` returns one that it does.
    package init() {}

    /// Adds an amount, which must not be negative.
    package func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    /// The present value.
    package var value: Int { count.load(ordering: .relaxed) }
}

/// An integer that increases and decreases.
package final class Gauge: Sendable {
    private let current = Atomic<Int>(0)

    /// A gauge that no metrics page shows. `Metrics.gauge` returns one that it does.
    package init() {}

    /// Replaces the value.
    package func set(_ value: Int) { current.store(value, ordering: .relaxed) }
    /// Adds an amount, which may be negative.
    package func add(_ amount: Int) { current.wrappingAdd(amount, ordering: .relaxed) }
    /// The present value.
    package var value: Int { current.load(ordering: .relaxed) }
}

/// Counts of observations in buckets with fixed upper bounds.
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

    /// Counts an observation, in the unit of the histogram's name.
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
