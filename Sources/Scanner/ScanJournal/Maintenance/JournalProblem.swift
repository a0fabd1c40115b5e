package import DataFolder

/// Reason why the journal is not prepared for a full disk.
package enum JournalProblem: Hashable, Sendable, CustomStringConvertible {
    /// The WAL could not be preallocated.
    case walNotPreallocated(StorageFault)
    /// The disk is full, and the journal uses its emergency reserve.
    ///
    /// - Parameters:
    ///   - remaining: rows of the reserve that are left.
    ///   - total: rows of a whole reserve.
    case reserveInUse(remaining: Int, total: Int)

    /// Plain English, for log and status.
    package var description: String {
        switch self {
        case .walNotPreallocated(let fault): "no space for the journal's WAL: \(fault)"
        case .reserveInUse(let remaining, let total): "the disk is full: \(remaining) of \(total) reserves are left"
        }
    }
}
