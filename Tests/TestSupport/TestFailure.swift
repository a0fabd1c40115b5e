import Glibc
import LinuxSystem

/// Why a test cannot go on.
package struct TestFailure: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Asks again and again, every `everyMs`, until the answer is true; for facts that nothing signals, such as a row in a
/// database that another program writes. Throws `TestFailure` after the time.
package func eventually(
    _ what: String, withinMs limitMs: Int = 30_000, everyMs: Int = 50, _ isSo: () throws -> Bool
) throws {
    let deadline = SystemClock.monotonicMs() + Int64(limitMs)
    while try !isSo() {
        guard SystemClock.monotonicMs() < deadline else { throw TestFailure("not within \(limitMs) ms: \(what)") }
        usleep(UInt32(everyMs) * 1_000)
    }
}
