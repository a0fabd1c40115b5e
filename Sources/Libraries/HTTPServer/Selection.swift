/// The part of a representation that a GET receives (RFC 9110 sections 13.1, 13.2 and 14). A pure function of the
/// request.
package enum Selection: Equatable, Sendable {
    case whole
    /// Status 206: these bytes, first and last included.
    case part(ClosedRange<Int64>)
    /// Status 304.
    case notModified
    /// Status 416.
    case unsatisfiable

    /// Evaluates the conditional and range headers of a request.
    ///
    /// - Parameters:
    ///   - etag: strong ETag with its quotes.
    ///   - size: size of the whole, in bytes.
    ///   - headers: request headers by lower-case name.
    package init(etag: String, size: Int64, headers: [String: String]) {
        if let known = headers["if-none-match"], Selection.names(known, etag) {
            self = .notModified
            return
        }
        // If-Range allows a strong validator only; for a date or another version the whole is sent.
        guard let range = headers["range"], headers["if-range"].map({ HTTPRequest.trimmed($0[...]) == etag }) ?? true
        else {
            self = .whole
            return
        }
        self = Selection.range(range, size: size)
    }

    /// Parses one range. Several ranges, other units and syntax errors are ignored, as RFC 9110 permits.
    private static func range(_ text: String, size: Int64) -> Selection {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, HTTPRequest.trimmed(parts[0]).lowercased() == "bytes", !parts[1].contains(",") else {
            return .whole
        }
        let ends = HTTPRequest.trimmed(parts[1]).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else { return .whole }
        if ends[0].isEmpty {
            guard let suffix = position(ends[1]) else { return .whole }
            guard suffix > 0, size > 0 else { return .unsatisfiable }
            return .part(max(0, size - suffix)...size - 1)
        }
        guard let first = position(ends[0]) else { return .whole }
        var last = size - 1
        if !ends[1].isEmpty {
            guard let given = position(ends[1]), given >= first else { return .whole }
            last = min(given, last)
        }
        return first < size ? .part(first...last) : .unsatisfiable
    }

    /// Parses decimal digits; a number that does not fit is `Int64.max`.
    private static func position(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }

    /// Returns whether an If-None-Match list contains the ETag, by weak comparison.
    private static func names(_ list: String, _ etag: String) -> Bool {
        list.split(separator: ",").contains {
            let one = HTTPRequest.trimmed($0)
            return one == "*" || one == etag || one == "W/" + etag
        }
    }
}
