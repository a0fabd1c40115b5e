import CPostgres
import Glibc

/// One PostgreSQL connection, closed when the object goes. Confined to one thread at a time, and not `Sendable`.
///
/// Every wait is bounded: statements by the server's `statement_timeout`, and everything, a COMMIT too, by a deadline
/// `graceMs` later, at which the socket is shut and the connection is broken for good. A broken connection throws
/// `connectionLost` at every call; make a new one.
package final class PostgresConnection {
    let handle: OpaquePointer
    let notices = NoticeBox()
    let statementTimeoutMs: Int
    private var failed = false

    /// How much longer than the server's time-out the client waits, in milliseconds: the server's clean error comes first.
    static let graceMs = 2_000

    /// Connects, or throws `cannotConnect`.
    /// - Parameters:
    ///   - url: as libpq takes it, several hosts included; what stands in it wins over the settings here.
    ///   - connectTimeoutMs: for each host, rounded up to whole seconds, 2 s at least.
    ///   - statementTimeoutMs: 0 for no limit.
    package init(
        url: String, connectTimeoutMs: Int = 5_000, statementTimeoutMs: Int = 60_000, applicationName: String
    ) throws(PostgresError) {
        self.statementTimeoutMs = statementTimeoutMs
        try PostgresConnection.validate(url: url)
        let settings = [
            ("connect_timeout", String(max(2, (connectTimeoutMs + 999) / 1_000))),
            // A peer that vanished is noticed within half a minute, whatever waits.
            ("tcp_user_timeout", "20000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("fallback_application_name", applicationName), ("client_encoding", "UTF8"),
            // Last, so that its settings win.
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
        // The forms that PostgresResult reads; and locks of a client that froze or vanished are given back.
        try execute(
            """
            SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET bytea_output = 'hex';
            SET standard_conforming_strings = on; SET client_min_messages = notice;
            SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
            SET idle_in_transaction_session_timeout = 120000; SET statement_timeout = \(max(0, statementTimeoutMs))
            """)
    }

    deinit { PQfinish(handle) }

    /// Whether libpq takes the URL; throws `misuse` without repeating it, for it may hold a password.
    package static func validate(url: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(url, &message)
        defer {
            PQconninfoFree(options)
            PQfreemem(message)
        }
        guard options != nil else {
            throw PostgresError(
                .misuse, "connect", message: "the database URL is not valid (postgresql://USER@HOST:PORT/DATABASE)")
        }
    }

    /// Host and database, for logs; never the password.
    package var address: String {
        let host = PQhost(handle).map { String(cString: $0) } ?? ""
        let port = PQport(handle).map { String(cString: $0) } ?? ""
        return "\(host):\(port)/\(PQdb(handle).map { String(cString: $0) } ?? "")"
    }

    /// True when this connection is of no use any more.
    package var isBroken: Bool { failed || PQstatus(handle) != CONNECTION_OK }

    /// True between BEGIN and its end, failed transactions included.
    package var isInTransaction: Bool {
        let status = PQtransactionStatus(handle)
        return status == PQTRANS_INTRANS || status == PQTRANS_INERROR
    }

    /// For poll(2): readable when something came by itself, as a notification or the connection's end.
    package var descriptor: Int32 { PQsocket(handle) }

    /// What the server said during the last call, 100 at most.
    package var lastNotices: [PostgresNotice] { notices.collected }

    /// A text as SQL literal, quotes included.
    package func literal(_ text: String) -> String {
        guard let quoted = PQescapeLiteral(handle, text, text.utf8.count) else { return "''" }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }

    /// A name as SQL identifier, quotes included.
    package func identifier(_ name: String) -> String {
        guard let quoted = PQescapeIdentifier(handle, name, name.utf8.count) else { return "\"\"" }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }

    // MARK: Waiting

    /// The instant, on the monotonic clock in milliseconds, at which a call that starts now is given up.
    func deadline() -> Int64 {
        statementTimeoutMs <= 0 ? .max : monotonicMs() + Int64(statementTimeoutMs + Self.graceMs)
    }

    /// Sleeps until the socket can be read (or written, if asked); at the deadline shuts the socket and throws.
    func wait(writing: Bool, until deadline: Int64, _ operation: String) throws(PostgresError) {
        var entry = pollfd(
            fd: PQsocket(handle), events: Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0), revents: 0)
        guard entry.fd >= 0 else { throw lost(operation) }
        while true {
            let left = deadline == .max ? -1 : Int32(clamping: max(0, deadline - monotonicMs()))
            let count = poll(&entry, 1, left)
            if count > 0 { break }
            if count < 0 && errno == EINTR { continue }
            giveUp()
            throw PostgresError(.deadline, operation, message: "no answer in time: connection closed")
        }
        if entry.revents & Int16(POLLIN | POLLHUP | POLLERR) != 0, PQconsumeInput(handle) == 0 {
            throw lost(operation)
        }
    }

    /// Sends all that is buffered.
    func flush(until deadline: Int64, _ operation: String) throws(PostgresError) {
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1: try wait(writing: true, until: deadline, operation)
            default: throw lost(operation)
            }
        }
    }

    /// The next result, or nil after the last of the statement.
    func nextResult(until deadline: Int64, _ operation: String) throws(PostgresError) -> PostgresResult? {
        while PQisBusy(handle) == 1 { try wait(writing: false, until: deadline, operation) }
        return PQgetResult(handle).map(PostgresResult.init)
    }

    func lost(_ operation: String) -> PostgresError {
        let message = String(cString: PQerrorMessage(handle)).trimmed
        giveUp()
        return PostgresError(
            .connectionLost, operation, message: message.isEmpty ? "the connection is lost" : message)
    }

    /// Shuts the socket, so that the server ends its side as well; `deinit` frees the rest.
    func giveUp() {
        failed = true
        let socket = PQsocket(handle)
        if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
    }

    func error(_ result: PostgresResult, _ operation: String) -> PostgresError {
        let details = [result.field("D"), result.field("H")].compactMap { $0 }
        let isLost = PQstatus(handle) != CONNECTION_OK
        if isLost { failed = true }
        return PostgresError(
            isLost ? .connectionLost : .server, operation,
            message: result.field("M") ?? String(cString: PQerrorMessage(handle)).trimmed,
            sqlState: result.field("C"), detail: details.isEmpty ? nil : details.joined(separator: "; "),
            constraint: result.field("n"))
    }
}

func monotonicMs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}

extension String {
    /// libpq ends its messages with a line break, and writes several lines for several hosts.
    var trimmed: String {
        split(whereSeparator: \.isNewline).map { $0.drop(while: { $0 == " " || $0 == "\t" }) }.joined(separator: "; ")
    }
}

/// Where libpq's notice receiver puts what it hears; it lives as long as the connection.
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
