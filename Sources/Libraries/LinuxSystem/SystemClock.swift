import CLinux
import Glibc

/// The two clocks of the machine, read without Foundation.
package enum SystemClock {
    /// Microseconds since 1970-01-01 UTC by the device clock.
    package static func nowMicroseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Nanoseconds of a clock that never steps; for durations only.
    package static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Milliseconds of a clock that never steps; for durations only.
    package static func monotonicMs() -> Int64 { Int64(monotonicNanoseconds() / 1_000_000) }

    /// Whether the kernel holds the device clock for synchronised (adjtimex(2) without STA_UNSYNC).
    package static func isSynchronised() -> Bool {
        var time = timex()
        let state = adjtimex(&time)
        return state != TIME_ERROR && time.status & STA_UNSYNC == 0
    }
}
