import Glibc

/// The wall clock of this place, for people: by the C library, which knows time zones.
package enum LocalTime {
    /// `HH:MM` of an instant in seconds since 1970.
    package static func clock(_ seconds: Int64) -> String {
        var instant = time_t(seconds)
        var parts = tm()
        localtime_r(&instant, &parts)
        func padded(_ value: Int32) -> String { (value < 10 ? "0" : "") + String(value) }
        return padded(parts.tm_hour) + ":" + padded(parts.tm_min)
    }
}
