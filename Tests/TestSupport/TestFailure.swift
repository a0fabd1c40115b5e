import Glibc
import LinuxSystem

/// A failure that ends a test.
package struct TestFailure: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Polls a condition until it is true, for changes without a notification, for example a row that another program
/// stores.
///
/// - Parameters:
///   - what: the condition, for the error.
///   - limitMs: maximum wait, in milliseconds.
///   - everyMs: interval between two polls, in milliseconds.
///   - isSo: the condition.
/// - Throws: `TestFailure` after the time limit.
package func eventually(
    _ what: String, withinMs limitMs: Int = 30_000, everyMs: Int = 50, _ isSo: () throws -> Bool
) throws {
    let deadline = SystemClock.monotonicMs() + Int64(limitMs)
    while try !isSo() {
        guard SystemClock.monotonicMs() < deadline else { throw TestFailure("not within \(limitMs) ms: \(what)") }
        usleep(UInt32(everyMs) * 1_000)
    }
}
