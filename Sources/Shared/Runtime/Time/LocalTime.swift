import Glibc

/// Local time for displays, by the C library, which knows the time zones.
package enum LocalTime {
    /// Returns `HH:MM` of an instant in seconds since 1970-01-01 UTC.
    package static func clock(_ seconds: Int64) -> String {
        var instant = time_t(seconds)
        var parts = tm()
        localtime_r(&instant, &parts)
        return UTCTime.padded(Int64(parts.tm_hour), 2) + ":" + UTCTime.padded(Int64(parts.tm_min), 2)
    }
}
