import CPostgres
import Glibc
import LinuxSystem

/// A PostgreSQL connection, closed with the object. Confined to one thread at a time, and not `Sendable`.
///
/// The server limits each statement by `statement_timeout`. The client limits each call, COMMIT included, to `graceMs`
/// more; then it shuts the socket down, and the connection stays broken. Each call on a broken connection throws
/// `connectionLost`: open a new connection.
package final class PostgresConnection {
    let handle: OpaquePointer
    let notices = NoticeBox()
    let statementTimeoutMs: Int
    private var hasFailed = false

    /// Additional wait of the client after the server's time-out, in milliseconds, so that the server's error arrives
    /// first.
    static let graceMs = 2_000

    /// Connects to a server.
    ///
    /// - Parameters:
    ///   - url: libpq connection URI or keywords, with one or several hosts; its settings override those of this class.
    ///   - connectTimeoutMs: time limit for each host, in milliseconds, rounded up to whole seconds; at least 2 s.
    ///   - statementTimeoutMs: time limit of a statement, in milliseconds; 0 sets no limit.
    ///   - applicationName: name of the connection in `pg_stat_activity`.
    /// - Throws: `PostgresError` of code `cannotConnect`, `misuse` for an invalid URL, or `pooled` behind a pooler that
    ///   gives each transaction another session.
    package convenience init(
        url: String, connectTimeoutMs: Int = 5_000, statementTimeoutMs: Int = 60_000, applicationName: String
    ) throws(PostgresError) {
        try self.init(
            plain: url, connectTimeoutMs: connectTimeoutMs, statementTimeoutMs: statementTimeoutMs,
            applicationName: applicationName)
        // Before the settings, which would stay in the pooler's sessions.
        try requireOwnSession { () throws(PostgresError) in
            try PostgresConnection(
                plain: url, connectTimeoutMs: connectTimeoutMs, statementTimeoutMs: Self.sessionProbeTimeoutMs,
                applicationName: applicationName)
        }
        // The formats that PostgresResult reads. The keep-alive and idle time-outs release the locks of a client that
        // is suspended or unreachable. Compilation costs more than the statements of these programs: the planner
        // overestimates unnested arrays.
        try execute(
            """
            SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET bytea_output = 'hex';
            SET standard_conforming_strings = on; SET client_min_messages = notice; SET jit = off;
            SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
            SET idle_in_transaction_session_timeout = 120000; SET statement_timeout = \(max(0, statementTimeoutMs))
            """)
    }

    /// Connects, and neither checks nor sets the session.
    private init(
        plain url: String, connectTimeoutMs: Int, statementTimeoutMs: Int, applicationName: String
    ) throws(PostgresError) {
        self.statementTimeoutMs = statementTimeoutMs
        try PostgresConnection.validate(url: url)
        let settings = [
            ("connect_timeout", String(max(2, (connectTimeoutMs + 999) / 1_000))),
            // Detects a vanished peer within 30 s.
            ("tcp_user_timeout", "20000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("fallback_application_name", applicationName), ("client_encoding", "UTF8"),
            // Last, so that its settings override the others.
            ("dbname", url),
        ]
        let keywords = settings.map { strdup($0.0) }
        let values = settings.map { strdup($0.1) }
        defer { for text in keywords + values { free(text) } }
        var keywordList = keywords.map { UnsafePointer<CChar>($0) } + [nil]
        var valueList = values.map { UnsafePointer<CChar>($0) } + [nil]
        guard let connection = PQconnectdbParams(&keywordList, &valueList, 1) else {
            throw PostgresError(.cannotConnect, "connect", message: "out of memory")
        }
        guard PQstatus(connection) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(connection)).trimmed
            PQfinish(connection)
            throw PostgresError(.cannotConnect, "connect", message: message)
        }
        handle = connection
        PQsetnonblocking(handle, 1)
        notices.attach(to: handle)
    }

    deinit { PQfinish(handle) }

    /// Validates a URL without connecting.
    ///
    /// - Parameter url: libpq connection URI or keywords.
    /// - Throws: `PostgresError` of code `misuse`, without the URL, because it may contain a password.
    package static func validate(url: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(url, &message)
        defer {
            PQconninfoFree(options)
            PQfreemem(message)
        }
        guard options != nil else {
            throw PostgresError(
                .misuse, "connect", message: "invalid database URL (use postgresql://USER@HOST:PORT/DATABASE)")
        }
    }

    /// Host, port and database, for logs. Never contains the password.
    package var address: String {
        let host = PQhost(handle).map { String(cString: $0) } ?? ""
        let port = PQport(handle).map { String(cString: $0) } ?? ""
        return "\(host):\(port)/\(PQdb(handle).map { String(cString: $0) } ?? "")"
    }

    /// Whether the connection is unusable: open a new one.
    package var isBroken: Bool { hasFailed || PQstatus(handle) != CONNECTION_OK }

    /// Whether a transaction is open, even a failed one.
    package var isInTransaction: Bool {
        let status = PQtransactionStatus(handle)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    /// For poll(2): readable after a notification and after the end of the connection.
    package var descriptor: Int32 { PQsocket(handle) }

    /// Notices of the server during the last call, at most 100.
    var lastNotices: [PostgresNotice] { notices.collected }

    /// Returns a text as an SQL literal with its quotes.
    package func literal(_ text: String) -> String {
        guard let quoted = PQescapeLiteral(handle, text, text.utf8.count) else { return "''" }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }

    /// Returns a name as an SQL identifier with its quotes.
    package func identifier(_ name: String) -> String {
        guard let quoted = PQescapeIdentifier(handle, name, name.utf8.count) else { return "\"\"" }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }

    // MARK: Waiting

    /// The deadline of a call that starts now, in milliseconds of the monotonic clock.
    func deadline() -> Int64 {
        statementTimeoutMs <= 0 ? .max : SystemClock.monotonicMs() + Int64(statementTimeoutMs + Self.graceMs)
    }

    /// Waits until the socket is readable, or writable if `writing`. At the deadline shuts the socket down and throws.
    func wait(writing: Bool, until deadline: Int64, _ operation: String) throws(PostgresError) {
        var entry = pollfd(
            fd: PQsocket(handle), events: Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0), revents: 0)
        guard entry.fd >= 0 else { throw lost(operation) }
        while true {
            let left = deadline == .max ? -1 : Int32(clamping: max(0, deadline - SystemClock.monotonicMs()))
            let count = poll(&entry, 1, left)
            if count > 0 { break }
            if count < 0 && errno == EINTR { continue }
            shutDown()
            throw PostgresError(.deadline, operation, message: "no answer in time, connection closed")
        }
        if entry.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0, PQconsumeInput(handle) == 0 {
            throw lost(operation)
        }
    }

    /// Sends all buffered bytes.
    func flush(until deadline: Int64, _ operation: String) throws(PostgresError) {
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1: try wait(writing: true, until: deadline, operation)
            default: throw lost(operation)
            }
        }
    }

    /// Returns the next result; `nil` after the last result of the statement.
    func nextResult(until deadline: Int64, _ operation: String) throws(PostgresError) -> PostgresResult? {
        while PQisBusy(handle) == 1 { try wait(writing: false, until: deadline, operation) }
        return PQgetResult(handle).map(PostgresResult.init)
    }

    func lost(_ operation: String) -> PostgresError {
        let message = String(cString: PQerrorMessage(handle)).trimmed
        shutDown()
        return PostgresError(
            .connectionLost, operation, message: message.isEmpty ? "the connection is lost" : message)
    }

    /// Shuts the socket down, so that the server ends the session; `deinit` frees the connection.
    func shutDown() {
        hasFailed = true
        let socket = PQsocket(handle)
        if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    func error(_ result: PostgresResult, _ operation: String) -> PostgresError {
        let details = [result.field("D"), result.field("H")].compactMap { $0 }
        let isLost = PQstatus(handle) != CONNECTION_OK
        if isLost { hasFailed = true }
        return PostgresError(
            isLost ? .connectionLost : .server, operation,
            message: result.field("M") ?? String(cString: PQerrorMessage(handle)).trimmed,
            sqlState: result.field("C"), detail: details.isEmpty ? nil : details.joined(separator: "; "),
            constraint: result.field("n"))
    }
}

extension String {
    /// The text in one line. libpq ends messages with a line break, and writes one line per host.
    var trimmed: String {
        split(whereSeparator: \.isNewline).map { $0.drop(while: { $0 == " " || $0 == "\t" }) }.joined(separator: "; ")
    }
}

/// Collects the notices that libpq passes to its notice receiver. Lives as long as the connection.
final class NoticeBox {
    private(set) var collected: [PostgresNotice] = []
    private static let limit = 100

    func clear() { collected = [] }

    func attach(to handle: OpaquePointer) {
        PQsetNoticeReceiver(
            handle,
            { context, result in
                guard let context, let result else { return }
                let box = Unmanaged<NoticeBox>.fromOpaque(context).takeUnretainedValue()
                func field(_ code: Character) -> String {
                    PQresultErrorField(result, Int32(code.asciiValue!)).map { String(cString: $0) } ?? ""
                }
                guard box.collected.count < NoticeBox.limit else { return }
                box.collected.append(PostgresNotice(severity: field("V"), sqlState: field("C"), message: field("M")))
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
