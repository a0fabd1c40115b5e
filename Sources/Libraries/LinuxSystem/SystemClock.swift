import CLinux
import Glibc

/// The clocks of the machine, read without Foundation.
package enum SystemClock {
    /// Device clock, in microseconds since 1970-01-01 UTC.
    package static func nowMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Monotonic clock, in nanoseconds; for durations only.
    package static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Monotonic clock, in milliseconds; for durations only.
    package static func monotonicMs() -> Int64 { Int64(monotonicNanoseconds() / 1_000_000) }

    /// Returns whether the kernel considers the device clock synchronised (adjtimex(2) without STA_UNSYNC).
    package static func isSynchronised() -> Bool {
        var time = timex()
        let state = adjtimex(&time)
        return state != TIME_ERROR && time.status & STA_UNSYNC == 0
    }
}
