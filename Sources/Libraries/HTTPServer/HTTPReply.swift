import CMicrohttpd
import Glibc

/// Responses in the form of libmicrohttpd.
struct HTTPReply {
    let traffic: HTTPTraffic

    /// Queues an error, and closes the connection after it.
    func refuse(
        _ connection: OpaquePointer, _ text: String, _ status: Int, _ headers: [(name: String, value: String)]
    ) -> MHD_Result {
        var response = HTTPResponse.text(text, status: status)
        response.headers = headers + [("Connection", "close")]
        return send(response, to: connection, requestHeaders: [:])
    }

    /// Queues the response to a request.
    func send(
        _ response: HTTPResponse, to connection: OpaquePointer, requestHeaders: [String: String]
    ) -> MHD_Result {
        var (status, headers) = (response.status, response.headers + [("Content-Type", response.contentType)])
        let message: OpaquePointer?
        switch response.body {
        case .bytes(let bytes): message = self.message(bytes)
        case .file(let file):
            headers += [("ETag", file.etag), ("Accept-Ranges", "bytes")]
            switch Selection(etag: file.etag, size: file.size, headers: requestHeaders) {
            case .whole: message = self.message(file, 0, file.size)
            case .part(let range):
                status = 206
                headers.append(("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound)/\(file.size)"))
                message = self.message(file, range.lowerBound, range.upperBound - range.lowerBound + 1)
            case .notModified:
                status = 304
                message = self.message([])
            case .unsatisfiable:
                status = 416
                headers.append(("Content-Range", "bytes */\(file.size)"))
                message = self.message([])
            }
        case .stream, .later:
            // The daemon has replaced them.
            message = nil
        }
        return queue(message, status, headers, to: connection)
    }

    /// Queues the response of a stream.
    func send(_ response: HTTPResponse, of stream: HTTPStream, to connection: OpaquePointer) -> MHD_Result {
        queue(
            stream.message(), response.status, response.headers + [("Content-Type", response.contentType)],
            to: connection)
    }

    private func queue(
        _ message: OpaquePointer?, _ status: Int, _ headers: [(name: String, value: String)],
        to connection: OpaquePointer
    ) -> MHD_Result {
        guard let message else { return MHD_Result.NO }
        defer { MHD_destroy_response(message) }
        for (name, value) in headers { MHD_add_response_header(message, name, value) }
        // No browser may guess another type than that of the header: some responses repeat what others wrote.
        MHD_add_response_header(message, "X-Content-Type-Options", "nosniff")
        traffic.count(status)
        return MHD_queue_response(connection, UInt32(status), message)
    }

    private func message(_ bytes: [UInt8]) -> OpaquePointer? {
        var bytes = bytes
        return MHD_create_response_from_buffer(bytes.count, &bytes, .RESPMEM_MUST_COPY)
    }

    /// libmicrohttpd closes the descriptor it receives, so it receives a duplicate.
    private func message(_ file: HTTPFile, _ offset: Int64, _ count: Int64) -> OpaquePointer? {
        let own = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 3)
        guard own >= 0 else { return nil }
        let message = MHD_create_response_from_fd_at_offset64(UInt64(count), own, UInt64(offset))
        if message == nil { close(own) }
        return message
    }
}
