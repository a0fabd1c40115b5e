import FileSystem
import Glibc

/// Metrics of the process itself, with the names that client libraries of Prometheus use, and of its release.
package enum ProcessMetrics {
    /// Memory, processor time and descriptors of this process. A value that the system does not tell is `nil`.
    private struct Usage {
        /// User and system time of all threads, in seconds.
        let cpuS: Double?
        /// Resident and virtual memory, in bytes.
        let residentBytes, virtualBytes: Double?
        /// Open descriptors, and their limit.
        let openFiles, openFilesLimit: Double?

        init() {
            var times = rusage()
            let isKnown = getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &times) == 0
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
            cpuS = isKnown ? seconds(times.ru_utime) + seconds(times.ru_stime) : nil
            let pages = (try? Files.readText("/proc/self/statm"))?.split(separator: " ").compactMap { Double($0) } ?? []
            let pageBytes = Double(sysconf(Int32(_SC_PAGESIZE)))
            virtualBytes = pages.count > 1 ? pages[0] * pageBytes : nil
            residentBytes = pages.count > 1 ? pages[1] * pageBytes : nil
            // The list itself needs one descriptor.
            openFiles = (try? Files.list("/proc/self/fd")).map { Double($0.count - 1) }
            var limit = rlimit()
            let isLimited = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
            openFilesLimit = isLimited ? Double(limit.rlim_cur) : nil
        }
    }

    /// Registers the metrics.
    ///
    /// - Parameters:
    ///   - metrics: where they are registered.
    ///   - program: name of the program, a label of `tapline_build_info`.
    ///   - labels: labels of each sample besides, as that of the scanner.
    package static func register(in metrics: Metrics, program: String, labels: [(String, String)] = []) {
        let release = [("program", program), ("version", Software.version)]
        metrics.table("tapline_build_info", "1, with the program and its release as labels.", type: .gauge) {
            [(labels: labels + release, value: 1)]
        }
        let startS = startTimeS()
        metrics.table(
            "process_start_time_seconds", "Start of the process, in seconds since 1970-01-01 UTC.", type: .gauge
        ) { startS.map { [(labels: labels, value: $0)] } ?? [] }
        let tables: [(String, String, Metrics.Kind, @Sendable (Usage) -> Double?)] = [
            ("process_cpu_seconds_total", "User and system time of the process.", .counter, { $0.cpuS }),
            ("process_resident_memory_bytes", "Resident memory of the process.", .gauge, { $0.residentBytes }),
            ("process_virtual_memory_bytes", "Virtual memory of the process.", .gauge, { $0.virtualBytes }),
            ("process_open_fds", "Open descriptors of the process.", .gauge, { $0.openFiles }),
            ("process_max_fds", "Maximum number of open descriptors.", .gauge, { $0.openFilesLimit }),
        ]
        for (name, help, type, value) in tables {
            metrics.table(name, help, type: type) { value(Usage()).map { [(labels: labels, value: $0)] } ?? [] }
        }
    }

    /// Returns the start of the process in seconds since 1970-01-01 UTC; `nil` if the system does not tell it.
    private static func startTimeS() -> Double? {
        // The name of the program, in parentheses, may hold blanks.
        guard let status = try? Files.readText("/proc/self/stat"), let nameEnd = status.lastIndex(of: ")"),
            let ticks = status[nameEnd...].split(separator: " ").dropFirst(20).first.flatMap({ Double($0) }),
            let bootLine = (try? Files.readText("/proc/stat"))?.split(separator: "\n").first(where: {
                $0.hasPrefix("btime ")
            }), let bootS = bootLine.split(separator: " ").last.flatMap({ Double($0) })
        else { return nil }
        return bootS + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
