import Glibc

/// The reader that libnfc lists for `nfc:auto`.
package enum ListedReader {
    /// The path of its port.
    ///
    /// Sets the environment of libnfc, which reads it once. A test reads this path before its first call of libnfc.
    package static let path: String = {
        let path = (Environment.value("TMPDIR") ?? "/tmp") + "/tapline-nfc-listed-\(getpid())"
        setenv("LIBNFC_DEVICE", "pn532_uart:" + path, 1)
        return path
    }()
}
