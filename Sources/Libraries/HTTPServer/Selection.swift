/// Which part of a representation a GET gets (RFC 9110 sections 13.1, 13.2 and 14): pure, so that every rule is testable.
package enum Selection: Equatable, Sendable {
    case whole
    /// 206: these bytes, first and last included.
    case part(ClosedRange<Int64>)
    /// 304.
    case notModified
    /// 416.
    case unsatisfiable

    /// - Parameters:
    ///   - etag: strong, with its quotes.
    ///   - size: bytes of the whole.
    ///   - headers: by lower-case name.
    package init(etag: String, size: Int64, headers: [String: String]) {
        if let known = headers["if-none-match"], Selection.names(known, etag) {
            self = .notModified
            return
        }
        // If-Range takes a strong validator only; a date, or another version, asks for the whole.
        guard let range = headers["range"], headers["if-range"].map({ Selection.trimmed($0[...]) == etag }) ?? true
        else {
            self = .whole
            return
        }
        self = Selection.range(range, size: size)
    }

    /// One range; several, another unit or nonsense are ignored, as a server may.
    private static func range(_ text: String, size: Int64) -> Selection {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, trimmed(parts[0]).lowercased() == "bytes", !parts[1].contains(",") else {
            return .whole
        }
        let ends = trimmed(parts[1]).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
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

    /// Digits only; more than fit are "very far".
    private static func position(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }

    /// If-None-Match compares weakly.
    private static func names(_ list: String, _ etag: String) -> Bool {
        list.split(separator: ",").contains {
            let one = trimmed($0)
            return one == "*" || one == etag || one == "W/" + etag
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
