import FileSystem
import Glibc

/// Paths of the package and its programs.
package enum Package {
    /// The folder of the package at the time of the build.
    package static let folder = String(#filePath.dropLast("/Tests/TestSupport/Programs.swift".count))

    /// The folder of the programs: `TAPLINE_BIN`, or the folder of the test bundle.
    package static let binaries: String = {
        if let folder = Environment.value("TAPLINE_BIN") { return folder }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return Files.folder(of: String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
    }()

    package static func program(_ name: String) -> String { binaries + "/" + name }
}

/// A finished run of a program.
package struct Run: Sendable {
    package let end: ChildProcess.End
    /// Standard output, line by line.
    package let lines: [String]
    /// Standard error.
    package let errors: String

    /// Runs a program to its end: a program of this package (`tapline-...`), or a program in PATH.
    ///
    /// - Throws: `TestFailure` after the time limit.
    package static func it(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
        withinMs limitMs: Int = waitLimitMs
    ) throws -> Run {
        let folder = TemporaryFolder("run")
        let child = try ChildProcess(
            name.hasPrefix("tapline-") ? Package.program(name) : name, arguments, environment: environment,
            output: .file(folder.file("output")), errors: folder.file("errors"))
        if !input.isEmpty { try? child.write(input) }
        child.closeInput()
        let end = try child.wait(withinMs: limitMs)
        let limit = 256 << 20
        let output = try Files.readText(folder.file("output"), limit: limit)
        return Run(
            end: end,
            lines: output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast(),
            errors: try Files.readText(folder.file("errors"), limit: limit))
    }

    /// Like `it`, for a status command: its exit code is 0, or 1 with alarms.
    ///
    /// - Throws: `TestFailure` for another end.
    package static func reporting(_ name: String, _ arguments: [String]) throws -> Run {
        let run = try it(name, arguments)
        guard [.exit(0), .exit(1)].contains(run.end), !run.lines.isEmpty else {
            throw TestFailure("\(name) \(arguments.joined(separator: " ")): \(run.end)\n\(run.errors)")
        }
        return run
    }

    /// Like `it`, and requires the exit code 0.
    ///
    /// - Throws: `TestFailure` with the last lines of output, or after the time limit.
    @discardableResult
    package static func succeeding(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], input: String = "",
        withinMs limitMs: Int = waitLimitMs
    ) throws -> Run {
        let run = try it(name, arguments, environment: environment, input: input, withinMs: limitMs)
        guard run.end == .exit(0) else {
            let lines = (run.lines.suffix(6) + run.errors.split(separator: "\n").suffix(12).map(String.init))
            throw TestFailure(
                "\(name) \(arguments.joined(separator: " ")): \(run.end)\n\(lines.joined(separator: "\n"))")
        }
        return run
    }
}
