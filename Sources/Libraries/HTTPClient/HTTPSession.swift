import CCurl
import Glibc

/// What came back. A `status` other than 200 and 206 has no body.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// As the server wrote it, quotes included: for If-None-Match.
    package let etag: String?
    /// Empty for a download into a file.
    package let body: [UInt8]
    /// Bytes in the file after a download; 0 otherwise.
    package let fileBytes: Int
}

/// GET over libcurl, with bounded waits and sizes. Confined to one thread, which sleeps in it; it keeps its connection
/// between requests.
///
/// Only http and https; a redirect (three at most) never leads to another scheme, nor from https to http.
package final class HTTPSession {
    package struct Settings: Sendable {
        /// Name, TCP and TLS together.
        package var connectTimeoutMs = 5_000
        /// A transfer slower than this: a list of a million (13 MB) would take longer than the two days it is good for ...
        package var lowSpeedBytesPerS = 100
        /// ... for so long is given up. Its whole time is limited where a caller says so.
        package var lowSpeedTimeS = 30
        /// PEM bundle of certificate authorities, and no others; nil: the system's.
        package var authorityFile: String?
        package var userAgent = "tapline"

        package init() {}
    }

    private let handle: UnsafeMutableRawPointer
    private let settings: Settings
    /// libcurl's own words on the last failure.
    private let words = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private static let initialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    package init(_ settings: Settings = Settings()) {
        precondition(HTTPSession.initialised, "curl_global_init")
        guard let handle = curl_easy_init() else { fatalError("out of memory") }
        (self.handle, self.settings) = (handle, settings)
    }

    deinit {
        curl_easy_cleanup(handle)
        words.deallocate()
    }

    /// Fetches into memory.
    ///
    /// - Parameters:
    ///   - ifNoneMatch: an ETag; the server answers 304 when it still holds.
    ///   - limitMs: longest time for all of it, `timedOut` after that; nil: only the lowest speed counts.
    ///   - isStopped: asked about once a second; true ends the transfer with `stopped`.
    package func get(
        _ url: String, ifNoneMatch: String? = nil, limitBytes: Int, limitMs: Int? = nil,
        isStopped: @escaping () -> Bool = { false }
    ) throws(HTTPClientError) -> HTTPResponse {
        let transfer = Transfer(handle, .memory, limitBytes: limitBytes, isStopped: isStopped)
        return try run(url, transfer, limitMs, ifNoneMatch.map { ["If-None-Match: \($0)"] } ?? [])
    }

    /// What is known of the part of a file that lies there.
    package enum Part: Sendable, Equatable {
        /// Nothing: the file is fetched anew.
        case unknown
        /// It came under this validator: continued while the server still has the same, fetched anew otherwise.
        case of(validator: String)
        /// It is continued, whatever the server has by now: for a caller who knows what the whole must be.
        case any
    }

    /// Fetches into a file, or the rest of one. What has arrived stays when the transfer breaks. Nothing is synced to the
    /// disk. A server that knows no ranges sends the whole, and the file is written anew.
    ///
    /// - Parameters:
    ///   - limitMs: as for `get`.
    ///   - onStart: called when the file is written anew, with what names the bytes for `Part.of`: the ETag, or else the
    ///     Last-Modified, where it is a strong one (RFC 9110 section 8.8); nil without either.
    package func download(
        _ url: String, to path: String, part: Part, limitBytes: Int, limitMs: Int? = nil,
        onStart: @escaping (String?) -> Void = { _ in }, isStopped: @escaping () -> Bool = { false }
    ) throws(HTTPClientError) -> HTTPResponse {
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

    private func run(
        _ url: String, _ transfer: Transfer, _ limitMs: Int?, _ headers: [String]
    ) throws(HTTPClientError) -> HTTPResponse {
        let scheme = url.prefix(while: { $0 != ":" }).lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw HTTPClientError(.address, url, "only http and https are known")
        }
        guard !headers.contains(where: { $0.utf8.contains { $0 < 0x20 } }) else {
            throw HTTPClientError(.address, url, "a control character in a header")
        }
        curl_easy_reset(handle)
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        configure(url, scheme, context)
        if let limitMs { shim_set_long(handle, CURLOPT_TIMEOUT_MS, limitMs) }
        var list: UnsafeMutablePointer<curl_slist>?
        for header in headers { list = curl_slist_append(list, header) }
        defer { curl_slist_free_all(list) }
        if list != nil { shim_set_list(handle, list) }
        let code = withExtendedLifetime(transfer) { curl_easy_perform(handle) }
        let finished = code == CURLE_OK && transfer.finish()
        if let failure = transfer.failure { throw HTTPClientError(failure.kind, url, failure.detail) }
        guard finished else {
            let text = String(cString: words)
            throw HTTPClientError(
                HTTPSession.kind(code), url, text.isEmpty ? String(cString: curl_easy_strerror(code)) : text)
        }
        return HTTPResponse(
            status: transfer.status, etag: transfer.etag, body: transfer.body, fileBytes: transfer.total ?? 0
        )
    }

    private func configure(_ url: String, _ scheme: String, _ context: UnsafeMutableRawPointer) {
        shim_set_text(handle, CURLOPT_URL, url)
        shim_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        shim_set_text(handle, CURLOPT_REDIR_PROTOCOLS_STR, scheme == "https" ? "https" : "http,https")
        shim_set_long(handle, CURLOPT_FOLLOWLOCATION, 1)
        shim_set_long(handle, CURLOPT_MAXREDIRS, 3)
        // Signals belong to the program: time-outs of name look-ups use libcurl's own threads instead.
        shim_set_long(handle, CURLOPT_NOSIGNAL, 1)
        shim_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeoutMs)
        shim_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, settings.lowSpeedBytesPerS)
        shim_set_long(handle, CURLOPT_LOW_SPEED_TIME, settings.lowSpeedTimeS)
        shim_set_text(handle, CURLOPT_USERAGENT, settings.userAgent)
        if let file = settings.authorityFile {
            shim_set_text(handle, CURLOPT_CAINFO, file)
            // Or Debian's folder of authorities would count as well.
            shim_set_text(handle, CURLOPT_CAPATH, nil)
        }
        words[0] = 0
        shim_set_pointer(handle, CURLOPT_ERRORBUFFER, words)
        shim_set_pointer(handle, CURLOPT_WRITEDATA, context)
        shim_set_data_function(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            let transfer = Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        shim_set_pointer(handle, CURLOPT_HEADERDATA, context)
        shim_set_data_function(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let transfer = Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            transfer.header(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        shim_set_long(handle, CURLOPT_NOPROGRESS, 0)
        shim_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        shim_set_progress_function(handle) { context, _, _, _, _ in
            Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue().mayGoOn() ? 0 : 1
        }
    }

    private static func kind(_ code: CURLcode) -> HTTPClientError.Kind {
        switch code {
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .address
        default: .unreachable
        }
    }
}
