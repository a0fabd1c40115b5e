import LinuxSystem
import Runtime
import Testing

struct ProcessMetricsTests {
    private func samples(_ metrics: Metrics) -> [String: Double] {
        Dictionary(
            uniqueKeysWithValues: metrics.render().split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                (String(line.prefix { $0 != "{" && $0 != " " }), Double(line.split(separator: " ").last ?? "") ?? .nan)
            })
    }

    @Test func processIsDescribedByPlausibleValues() throws {
        let metrics = Metrics()
        ProcessMetrics.register(in: metrics, program: "test")
        #expect(metrics.render().contains(#"tapline_build_info{program="test",version="\#(Software.version)"} 1"#))
        let first = samples(metrics)
        #expect(first.count == 7)
        let resident = try #require(first["process_resident_memory_bytes"])
        #expect(resident > 1_000_000 && resident < (first["process_virtual_memory_bytes"] ?? 0))
        let open = try #require(first["process_open_fds"])
        #expect(open >= 3 && open < (first["process_max_fds"] ?? 0))
        let now = Double(SystemClock.nowMicroseconds()) / 1e6
        let start = try #require(first["process_start_time_seconds"])
        #expect(start <= now && start > now - 86_400)
        var sum = 0.0
        for number in 0..<3_000_000 { sum += Double(number).squareRoot() }
        #expect(sum > 0)
        let cpu = try #require(first["process_cpu_seconds_total"])
        #expect(try #require(samples(metrics)["process_cpu_seconds_total"]) > cpu)
    }
}
