import Glibc
import LinuxSystem

/// The reason why a test cannot continue.
package struct TestFailure: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Default time limit of the waits in tests, in milliseconds. It leaves room for a machine with busy cores and a slow
/// disk. Only a failing test waits that long.
package let waitLimitMs = 120_000

/// Polls a condition until it is true, for facts without a signal, such as a row in a database.
///
/// - Parameters:
///   - what: the condition, for the error message.
///   - limitMs: the time limit in milliseconds.
///   - everyMs: the polling interval in milliseconds.
/// - Throws: `TestFailure` after the time limit, and errors of the condition.
package func eventually(
    _ what: String, withinMs limitMs: Int = waitLimitMs, everyMs: Int = 50, _ isTrue: () throws -> Bool
) throws {
    let deadline = SystemClock.monotonicMs() + Int64(limitMs)
    while try !isTrue() {
        guard SystemClock.monotonicMs() < deadline else { throw TestFailure("not within \(limitMs) ms: \(what)") }
        usleep(UInt32(everyMs) * 1_000)
    }
}

/// Polls a number until it reaches a target. The time limit starts again whenever the number changes, so that slow work
/// does not fail.
///
/// - Parameters:
///   - what: the counted things, for the error message.
///   - limitMs: the time limit without a change, in milliseconds.
///   - everyMs: the polling interval in milliseconds.
/// - Throws: `TestFailure` after the time limit, and errors of `count`.
package func awaitCount(
    _ what: String, _ target: Int, withinMs limitMs: Int = waitLimitMs, everyMs: Int = 50, _ count: () throws -> Int
) throws {
    var last = try count()
    var deadline = SystemClock.monotonicMs() + Int64(limitMs)
    while last < target {
        guard SystemClock.monotonicMs() < deadline else {
            throw TestFailure("no progress for \(limitMs) ms: \(last) of \(target) \(what)")
        }
        usleep(UInt32(everyMs) * 1_000)
        let now = try count()
        if now != last { deadline = SystemClock.monotonicMs() + Int64(limitMs) }
        last = now
    }
}
