import Runtime
import Synchronization
import Testing

struct MetricsTests {
    @Test func metricsAreRenderedInExpositionFormat() {
        let metrics = Metrics()
        let duration = metrics.histogram("tap_seconds", "Time of a tap", bounds: [0.5, 1])
        let bad = metrics.counter("batches_total{reason=\"range\"}", "Quarantined batches")
        let malformed = metrics.counter("batches_total{reason=\"malformed\"}", "Quarantined batches")
        let total = metrics.counter("batches", "All batches")
        let other = metrics.counter("batches_total_seconds", "Between the two, by plain order of names")
        let depth = metrics.gauge("depth", "Waiting")
        metrics.computed("age_seconds", "Computed when read") { 1.5 }
        for value in [0.25, 0.5, 0.75, 2] { duration.observe(value) }
        bad.add()
        malformed.add(41)
        malformed.add()
        total.add(3)
        other.add(9)
        depth.set(5)
        depth.add(-7)
        #expect(
            metrics.render() == """
                # HELP age_seconds Computed when read
                # TYPE age_seconds gauge
                age_seconds 1.5
                # HELP batches All batches
                # TYPE batches counter
                batches 3
                # HELP batches_total Quarantined batches
                # TYPE batches_total counter
                batches_total{reason="malformed"} 42
                batches_total{reason="range"} 1
                # HELP batches_total_seconds Between the two, by plain order of names
                # TYPE batches_total_seconds counter
                batches_total_seconds 9
                # HELP depth Waiting
                # TYPE depth gauge
                depth -2
                # HELP tap_seconds Time of a tap
                # TYPE tap_seconds histogram
                tap_seconds_bucket{le="0.5"} 2
                tap_seconds_bucket{le="1.0"} 3
                tap_seconds_bucket{le="+Inf"} 4
                tap_seconds_sum 3.5
                tap_seconds_count 4

                """)
    }

    @Test func tableOfRemovedRowKeepsOnlyItsHeader() {
        let metrics = Metrics()
        let names = Mutex(["Hall \"A\" \\ 1\nwest", "قاعة"])
        metrics.table("inside_people", "People inside", type: .gauge) {
            names.withLock { $0.map { (labels: [("zone", $0), ("kind", "hall")], value: 7) } }
        }
        metrics.table("up", "Without labels", type: .counter) { [(labels: [], value: 1)] }
        let header = "# HELP inside_people People inside\n# TYPE inside_people gauge\n"
        let others = "# HELP up Without labels\n# TYPE up counter\nup 1.0\n"
        #expect(
            metrics.render() == header + #"""
                inside_people{zone="Hall \"A\" \\ 1\nwest",kind="hall"} 7.0
                inside_people{zone="قاعة",kind="hall"} 7.0

                """# + others)
        names.withLock { $0 = [] }
        #expect(metrics.render() == header + others)
    }

    @Test func counterIsThreadSafe() async {
        let counter = Metrics().counter("n", "n")
        let threads = (0..<4).map { _ in NamedThread("adder") { for _ in 0..<10_000 { counter.add() } } }
        for thread in threads { await thread.end() }
        #expect(counter.value == 40_000)
    }
}
