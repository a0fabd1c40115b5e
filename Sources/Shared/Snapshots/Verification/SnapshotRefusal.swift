package import ErrorModel

/// The reason why a snapshot is not installed. The current snapshot stays installed.
package struct SnapshotRefusal: OperationError {
    /// The raw values are part of log lines and error messages, and operators search for them.
    package enum Reason: String, Sendable, CaseIterable {
        /// The manifest or the signature file cannot be parsed.
        case malformed
        /// The manifest has another format number.
        case format
        /// The signing key is not trusted by this scanner.
        case untrustedKey = "untrusted-key"
        /// The signing key is trusted, but the signature does not match the bytes.
        case signature
        /// The event differs from the one that this scanner has pinned.
        case event
        /// The event key differs from that of the snapshot in use.
        case eventKey = "event-key"
        /// The version is not newer than the newest one ever installed here.
        case notNewer = "not-newer"
        /// The expiry has passed, by a trusted clock.
        case expired
        /// The creation lies in the future, by a trusted clock.
        case future
        /// A file exceeds the size limit.
        case oversized
        /// The file size differs from the signed manifest.
        case size
        /// The file's SHA-256 differs from the signed manifest.
        case hash
        /// Wrong `application_id` or `user_version`, or invalid rows.
        case kind
        /// `PRAGMA quick_check` found damage.
        case damaged
        /// The `meta` table has another event, version or time than the manifest.
        case meta
        /// The number of rows differs from the signed manifest.
        case rows
        /// The content hash of the rows differs from the signed manifest.
        case content
        /// A delta does not apply to the current file. The full file is downloaded instead.
        case base
    }

    /// The check that failed.
    package let reason: Reason
    /// The values that differ, for operators. One short sentence.
    package let detail: String

    /// Creates a refusal.
    ///
    /// - Parameters:
    ///   - reason: the check that failed.
    ///   - detail: the values that differ, one short sentence.
    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// Always `.failure`.
    package var category: ErrorCategory { .failure }

    /// Whether another download may succeed: the manifest, its signature or a file may have been read during a
    /// publication, or the transfer was incomplete.
    package var isRetriable: Bool { [.malformed, .signature, .size, .hash].contains(reason) }

    /// The reason and the detail.
    package var description: String { "snapshot refused (\(reason.rawValue)): \(detail)" }
}
