/// Why a snapshot is not installed; the present one stays in force.
package struct SnapshotRefusal: Error, CustomStringConvertible, Sendable {
    package enum Reason: String, Sendable, CaseIterable {
        /// The manifest or the signature file is not one.
        case malformed
        /// A manifest of another format.
        case format
        /// Signed by a key that is not trusted here.
        case untrustedKey = "untrusted-key"
        /// Names a trusted key, but the signature is not over these bytes.
        case signature
        /// Of another event than the one this scanner has pinned.
        case event
        /// Not newer than the newest ever installed here.
        case notNewer = "not-newer"
        case expired
        /// Created in the future, by a clock that can be trusted.
        case future
        /// Larger than this program takes.
        case oversized
        /// The file has not the signed size.
        case size
        /// The file has not the signed SHA-256.
        case hash
        /// Not a snapshot by its `application_id` or `user_version`, or rows that cannot be.
        case kind
        /// `PRAGMA quick_check` found fault.
        case damaged
        /// `meta` says another event, version or time than the manifest.
        case meta
        /// Another number of rows than signed.
        case rows
        /// Other rows than signed.
        case content
        /// A delta that does not fit the file in force. Never the end: the full file is fetched.
        case base
    }

    package let reason: Reason
    package let detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// Whether fetching again may help: a manifest and its signature, or a file, caught in the middle of a publication or
    /// of a broken download.
    package var isRetriable: Bool { [.malformed, .signature, .size, .hash].contains(reason) }

    package var description: String { "snapshot refused (\(reason.rawValue)): \(detail)" }
}
