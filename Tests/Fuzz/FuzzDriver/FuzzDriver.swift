import Glibc

/// The loop of libFuzzer (`libclang_rt.fuzzer_no_main`), which `Tests/Fuzz/run` links.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argc: UnsafeMutablePointer<CInt>,
    _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

// Set once, before the loop; libFuzzer calls the body on one thread.
nonisolated(unsafe) private var target: ([UInt8]) -> Void = { _ in }

/// Runs a fuzzer with the arguments of the program, and ends the program.
///
/// A trap, an access that the address sanitizer reports, an input that takes too long and one that takes too much memory
/// end the run with the input in a file.
///
/// - Parameter body: takes one input. It may reject it, and must not trap.
package func fuzz(_ body: @escaping ([UInt8]) -> Void) -> Never {
    target = body
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(
        runDriver(&count, &arguments) { start, length in
            target(Array(UnsafeBufferPointer(start: start, count: length)))
            return 0
        })
}

/// Takes values from the beginning of an input, so that the fuzzer chooses them too.
package struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    /// Begins with the first byte of an input.
    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// Whether all bytes were taken.
    package var isEmpty: Bool { rest.isEmpty }

    /// Takes one byte; 0 at the end.
    package mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// Takes a byte with the length of a piece, and that piece.
    package mutating func piece() -> [UInt8] {
        let length = Int(byte())
        defer { rest = rest.dropFirst(length) }
        return Array(rest.prefix(length))
    }

    /// Takes all remaining bytes.
    package mutating func all() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }
}
