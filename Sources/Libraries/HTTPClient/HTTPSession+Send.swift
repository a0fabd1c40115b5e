import CCurl
import Glibc

extension HTTPSession {
    /// Methods of `send`.
    package enum Method: String, Sendable {
        case get = "GET"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
    }

    /// Sends a request with a body, and receives the response into memory. Redirects are not followed, so that header
    /// and body reach no other server.
    ///
    /// - Parameters:
    ///   - method: method of the request.
    ///   - url: http or https URL.
    ///   - body: content of the request; `nil` sends none.
    ///   - headers: lines such as `Content-Type: application/json`.
    ///   - limitBytes: maximum size of the response, in bytes.
    ///   - limitMs: maximum total time, in milliseconds.
    ///   - isStopped: called about once a second; `true` ends the transfer with `stopped`.
    /// - Returns: the response, of any status. Only a response of status 200 has a body.
    /// - Throws: `HTTPClientError`.
    package func send(
        _ method: Method, _ url: String, body: [UInt8]? = nil, headers: [String] = [], limitBytes: Int, limitMs: Int,
        isStopped: @escaping () -> Bool = { false }
    ) throws(HTTPClientError) -> HTTPClientResponse {
        let transfer = Transfer(handle, .memory, limitBytes: limitBytes, isStopped: isStopped)
        // Without this header libcurl waits up to a second for "100 Continue" before it sends a large body.
        return try run(url, transfer, limitMs, headers + ["Expect:"], method: method.rawValue) { handle in
            shim_set_long(handle, CURLOPT_FOLLOWLOCATION, 0)
            if let body {
                shim_set_long(handle, CURLOPT_POST, 1)
                shim_set_long(handle, CURLOPT_POSTFIELDSIZE, body.count)
                // libcurl copies the bytes.
                _ = body.withUnsafeBytes {
                    shim_set_pointer(
                        handle, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress))
                }
            }
            shim_set_text(handle, CURLOPT_CUSTOMREQUEST, method.rawValue)
        }
    }
}
