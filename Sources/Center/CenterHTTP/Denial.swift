import HTTPServer

/// Responses to requests that lack a right. The text is the same for all names, existing or not.
enum Denial {
    /// No valid token: the client may send one.
    static let tokenNeeded = response(401, "401: a token is required\n", [("WWW-Authenticate", "Bearer")])
    /// A valid token, whose role is too small.
    static let roleNeeded = response(403, "403: the token does not permit this\n")

    private static func response(
        _ status: Int, _ text: String, _ headers: [(name: String, value: String)] = []
    ) -> HTTPResponse {
        var response = HTTPResponse.text(text, status: status)
        response.headers = headers + [("Cache-Control", "no-store")]
        return response
    }
}
