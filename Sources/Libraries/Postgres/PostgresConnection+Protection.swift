import CPostgres
import LinuxSystem

/// The rule that a database on another machine proves its identity.
extension PostgresConnection {
    /// Refuses a URL of another machine without `sslmode=verify-full`. Connects to nothing.
    ///
    /// A Unix socket and a loopback address need no protection. What the URL leaves out comes from the environment, as
    /// in libpq (`PGHOST`, `PGSSLMODE`).
    ///
    /// - Parameter url: libpq connection URI or keywords, with one or several hosts.
    /// - Throws: `PostgresError` of code `insecure`, or `misuse` for an invalid URL.
    package static func requireProtection(url: String) throws(PostgresError) {
        try validate(url: url)
        let given = settings(PQconninfoParse(url, nil))
        // A service file is read only while connecting, so it cannot be checked here.
        let defaults = given["service"] == nil ? settings(PQconndefaults()) : ["host": "of the service"]
        func value(_ keyword: String) -> String { given[keyword] ?? defaults[keyword] ?? "" }
        guard value("sslmode") != "verify-full" else { return }
        // libpq connects to `hostaddr` where that is set.
        let hosts = value("hostaddr").isEmpty ? value("host") : value("hostaddr")
        let others = hosts.split(separator: ",").map(String.init).filter { !isThisMachine($0) }
        guard let other = others.first else { return }
        throw PostgresError(
            .insecure, "connect",
            message: "\(other): without sslmode=verify-full another machine can pass as the database; add it to the "
                + "database URL, with sslrootcert=FILE for the certificate authority")
    }

    private static func isThisMachine(_ host: String) -> Bool {
        host.hasPrefix("/") || host.hasPrefix("@") || IPAddress.isLoopback(host: host)
    }

    /// Returns the values of a list of settings by keyword, and frees the list.
    private static func settings(_ list: UnsafeMutablePointer<PQconninfoOption>?) -> [String: String] {
        defer { PQconninfoFree(list) }
        var values: [String: String] = [:]
        var next = list
        while let option = next?.pointee, let keyword = option.keyword {
            if let value = option.val { values[String(cString: keyword)] = String(cString: value) }
            next = next?.successor()
        }
        return values
    }
}
