import CCurl
import Crypto
import Glibc

/// The response to a GET. A response with a `status` other than 200 and 206 has no body: it ends with its headers, and
/// its body is not received.
package struct HTTPClientResponse: Sendable {
    /// HTTP status code of the last response, after redirects.
    package let status: Int
    /// The ETag header unchanged, with its quotes, for If-None-Match.
    package let etag: String?
    /// Empty for a download into a file.
    package let body: [UInt8]
    /// Bytes in the file after a download; 0 otherwise.
    package let fileBytes: Int
}

/// GET over libcurl, with limited time and size. Confined to one thread, which it blocks; keeps its connection open
/// between requests.
///
/// Only http and https. Follows at most three redirects, never to another scheme and never from https to http.
package final class HTTPSession {
    /// Time-outs and trust of a session.
    package struct Settings: Sendable {
        /// Time-out of name resolution, TCP and TLS together, in milliseconds.
        package var connectTimeoutMs = 5_000
        /// Minimum speed, in bytes per second. At this speed a snapshot of a million attendees (13 MB) takes almost the
        /// two days that it is valid.
        package var lowSpeedBytesPerS = 100
        /// A transfer below the minimum speed for this time, in seconds, is aborted. Callers may also limit the total
        /// time.
        package var lowSpeedTimeS = 30
        /// Path of the PEM bundle of accepted certificate authorities; `nil` for the system's.
        package var authorityFile: String?
        /// Fingerprint of the only accepted public key (SHA-256 of its SubjectPublicKeyInfo, 32 bytes). The server's
        /// certificate is then accepted for this key alone, whatever its name, authority and dates; `nil` for the usual
        /// verification.
        package var pinnedKey: [UInt8]?
        /// Token of `Authorization: Bearer`; `nil` without one. It goes to the host and port of the URL only, and to no
        /// other one that a redirect names.
        package var bearerToken: String?
        /// Value of the User-Agent header.
        package var userAgent = "tapline"

        /// Creates the default settings.
        package init() {}
    }

    let handle: UnsafeMutableRawPointer
    private let settings: Settings
    /// libcurl's message of the last failure.
    private let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private static let initialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// Creates a session. It connects at the first request.
    package init(_ settings: Settings = Settings()) {
        precondition(HTTPSession.initialised, "curl_global_init")
        guard let handle = curl_easy_init() else { fatalError("out of memory") }
        self.handle = handle
        self.settings = settings
    }

    deinit {
        curl_easy_cleanup(handle)
        message.deallocate()
    }

    /// Fetches a resource into memory.
    ///
    /// - Parameters:
    ///   - url: http or https URL.
    ///   - ifNoneMatch: an ETag; the server answers 304 if the resource is unchanged.
    ///   - limitBytes: maximum size of the body, in bytes.
    ///   - limitMs: maximum total time, in milliseconds; `nil` applies only the minimum speed.
    ///   - isStopped: called about once a second; `true` ends the transfer with `stopped`.
    /// - Returns: the response, of any status.
    /// - Throws: `HTTPClientError`.
    package func get(
        _ url: String, ifNoneMatch: String? = nil, limitBytes: Int, limitMs: Int? = nil,
        isStopped: @escaping () -> Bool = { false }
    ) throws(HTTPClientError) -> HTTPClientResponse {
        let transfer = Transfer(handle, .memory, limitBytes: limitBytes, isStopped: isStopped)
        return try run(url, transfer, limitMs, ifNoneMatch.map { ["If-None-Match: \($0)"] } ?? [])
    }

    /// The origin of a partially downloaded file.
    package enum Part: Sendable, Equatable {
        /// Unknown: the download starts over.
        case unknown
        /// Downloaded under this validator: continued if the server's version is unchanged, otherwise started over.
        case of(validator: String)
        /// Continued regardless of the server's version. For callers that verify the whole file.
        case any
    }

    /// Fetches a resource into a file, or the rest of it.
    ///
    /// Received bytes are kept if the transfer fails. Nothing is synced to the disk. If the server does not support
    /// ranges, it sends the whole resource, and the file is rewritten.
    ///
    /// - Parameters:
    ///   - url: http or https URL.
    ///   - path: path of the file.
    ///   - part: origin of the bytes that the file contains.
    ///   - limitBytes: maximum size of the file, in bytes.
    ///   - limitMs: maximum total time, in milliseconds; `nil` applies only the minimum speed.
    ///   - onStart: called when the file is rewritten, with the validator for `Part.of`: the ETag, or else the
    ///     Last-Modified, if it is strong (RFC 9110 section 8.8); `nil` without either.
    ///   - isStopped: called about once a second; `true` ends the transfer with `stopped`.
    /// - Returns: the response, of any status.
    /// - Throws: `HTTPClientError`.
    package func download(
        _ url: String, to path: String, part: Part, limitBytes: Int, limitMs: Int? = nil,
        onStart: @escaping (String?) -> Void = { _ in }, isStopped: @escaping () -> Bool = { false }
    ) throws(HTTPClientError) -> HTTPClientResponse {
        var info = stat()
        let have = part != .unknown && stat(path, &info) == 0 ? Int(info.st_size) : 0
        let transfer = Transfer(handle, .file(path, have: have), limitBytes: limitBytes, isStopped: isStopped)
        transfer.onStart = onStart
        defer { transfer.closeFile() }
        var headers: [String] = []
        if have > 0 { headers.append("Range: bytes=\(have)-") }
        if have > 0, case .of(let validator) = part { headers.append("If-Range: \(validator)") }
        return try run(url, transfer, limitMs, headers)
    }

    /// Sends a request, and receives the response.
    ///
    /// - Parameter prepare: sets further options of the handle, after the usual ones.
    func run(
        _ url: String, _ transfer: Transfer, _ limitMs: Int?, _ headers: [String], method: String = "GET",
        prepare: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) throws(HTTPClientError) -> HTTPClientResponse {
        let scheme = url.prefix(while: { $0 != ":" }).lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw HTTPClientError(.address, url, "the scheme must be http or https", method: method)
        }
        // libcurl removes this header at a redirect to another host, port or scheme.
        let headers = headers + (settings.bearerToken.map { ["Authorization: Bearer \($0)"] } ?? [])
        guard !headers.contains(where: { $0.utf8.contains { $0 < 0x20 } }) else {
            throw HTTPClientError(.address, url, "control character in a header", method: method)
        }
        curl_easy_reset(handle)
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        configure(url, scheme, context)
        prepare(handle)
        if let limitMs { shim_set_long(handle, CURLOPT_TIMEOUT_MS, limitMs) }
        var list: UnsafeMutablePointer<curl_slist>?
        for header in headers { list = curl_slist_append(list, header) }
        defer { curl_slist_free_all(list) }
        if list != nil { shim_set_list(handle, list) }
        let code = withExtendedLifetime(transfer) { curl_easy_perform(handle) }
        let finished = transfer.isEnded || code == CURLE_OK && transfer.finish()
        if let failure = transfer.failure { throw HTTPClientError(failure.kind, url, failure.detail, method: method) }
        guard finished else {
            let text = String(cString: message)
            throw HTTPClientError(
                HTTPSession.kind(code), url,
                (text.isEmpty ? String(cString: curl_easy_strerror(code)) : text) + HTTPSession.cause(code, handle),
                method: method)
        }
        return HTTPClientResponse(
            status: transfer.status, etag: transfer.etag, body: transfer.body, fileBytes: transfer.total ?? 0
        )
    }

    private func configure(_ url: String, _ scheme: String, _ context: UnsafeMutableRawPointer) {
        shim_set_text(handle, CURLOPT_URL, url)
        shim_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        shim_set_text(handle, CURLOPT_REDIR_PROTOCOLS_STR, scheme == "https" ? "https" : "http,https")
        shim_set_long(handle, CURLOPT_FOLLOWLOCATION, 1)
        shim_set_long(handle, CURLOPT_MAXREDIRS, 3)
        // The program handles signals itself: libcurl must use threads for time-outs of name resolution.
        shim_set_long(handle, CURLOPT_NOSIGNAL, 1)
        shim_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeoutMs)
        shim_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, settings.lowSpeedBytesPerS)
        shim_set_long(handle, CURLOPT_LOW_SPEED_TIME, settings.lowSpeedTimeS)
        shim_set_text(handle, CURLOPT_USERAGENT, settings.userAgent)
        if let file = settings.authorityFile {
            shim_set_text(handle, CURLOPT_CAINFO, file)
            // Otherwise Debian's folder of authorities is accepted as well.
            shim_set_text(handle, CURLOPT_CAPATH, nil)
        }
        if let key = settings.pinnedKey {
            // libcurl compares the key also when it verifies nothing else.
            shim_set_long(handle, CURLOPT_SSL_VERIFYPEER, 0)
            shim_set_long(handle, CURLOPT_SSL_VERIFYHOST, 0)
            shim_set_text(handle, CURLOPT_PINNEDPUBLICKEY, "sha256//" + Base64.encode(key))
        }
        message[0] = 0
        shim_set_pointer(handle, CURLOPT_ERRORBUFFER, message)
        shim_set_pointer(handle, CURLOPT_WRITEDATA, context)
        shim_set_data_function(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            let transfer = Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            return transfer.append(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        shim_set_pointer(handle, CURLOPT_HEADERDATA, context)
        shim_set_data_function(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let transfer = Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            return transfer.readHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        shim_set_long(handle, CURLOPT_NOPROGRESS, 0)
        shim_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        shim_set_progress_function(handle) { context, _, received, _, _ in
            let transfer = Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            return transfer.shouldContinue(received: Int(received)) ? 0 : 1
        }
    }

    /// Returns the system's reason of a failed connection, which libcurl's text leaves out.
    private static func cause(_ code: CURLcode, _ handle: UnsafeMutableRawPointer) -> String {
        let number = shim_os_error(handle)
        guard code == CURLE_COULDNT_CONNECT, number != 0 else { return "" }
        return " (\(String(cString: strerror(Int32(number)))))"
    }

    private static func kind(_ code: CURLcode) -> HTTPClientError.Kind {
        switch code {
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .address
        default: .unreachable
        }
    }
}
