import Glibc

/// Resource limits of this process.
package enum ProcessLimits {
    /// Raises the soft limit of open files to at most the hard limit.
    ///
    /// - Parameter wanted: the wanted number of open files.
    /// - Returns: the soft limit after the call; 0 if it is unknown.
    @discardableResult
    package static func raiseOpenFiles(to wanted: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        guard limit.rlim_cur < wanted else { return Int(clamping: limit.rlim_cur) }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(wanted))
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
