/// The response to an HTTP request of a device.
package struct EnrolmentResponse: Sendable, Equatable {
    /// HTTP status code.
    package let status: Int
    /// Content; a text for people unless the status is 200.
    package let body: [UInt8]

    init(_ status: Int, _ body: [UInt8] = []) {
        self.status = status
        self.body = body
    }

    init(_ status: Int, _ text: String) { self.init(status, Array(text.utf8)) }
}
