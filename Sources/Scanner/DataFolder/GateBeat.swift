import FileSystem
import Glibc
package import LinuxSystem

/// `gate.beat`: the lane's sign of life. Its loop writes the file while it turns, so a gate that hangs stops writing.
///
/// The time is of the monotonic clock, which neither steps nor counts the sleep of the machine. Not durable, because it
/// holds only for one process of one boot.
package struct GateBeat: Hashable, Sendable {
    /// Minimum interval between two writes, in milliseconds.
    package static let intervalMs: Int64 = 1_000

    /// The boot in which the time holds.
    package var bootID: BootID
    /// Process ID of the gate, as in `gate.json`.
    package var pid: Int32
    /// Monotonic clock at the last turn, in milliseconds.
    package var atMs: Int64

    /// Creates a sign of life.
    ///
    /// - Parameters:
    ///   - bootID: the boot in which the time holds.
    ///   - pid: process ID of the gate, as in `gate.json`.
    ///   - atMs: monotonic clock, in milliseconds.
    package init(bootID: BootID, pid: Int32, atMs: Int64) {
        self.bootID = bootID
        self.pid = pid
        self.atMs = atMs
    }

    /// Reads the file; `nil` if it is missing or invalid.
    package static func read(folder: String) -> GateBeat? {
        guard let text = try? Files.readText(DataFolderPaths.gateBeat(folder), limit: 256) else { return nil }
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let bootID = BootID(text: words[0]), let pid = Int32(words[1]),
            let atMs = Int64(words[2]), atMs >= 0
        else { return nil }
        return GateBeat(bootID: bootID, pid: pid, atMs: atMs)
    }

    /// Writes the file in place, because a replacement each second would wear the disk.
    ///
    /// - Throws: `SystemError`.
    package func write(folder: String) throws {
        let path = DataFolderPaths.gateBeat(folder)
        do { try Files.put(line, into: path, at: 0) } catch let error as SystemError where error.code == ENOENT {
            try Files.writeAtomically(line, to: path, durable: false)
        }
    }

    /// Removes the file. The holder of the gate lock does so at its start, so that no beat is of an earlier gate.
    package static func remove(folder: String) { try? Files.remove(DataFolderPaths.gateBeat(folder)) }

    /// Always of one length, so that a write replaces all of the former one.
    private var line: [UInt8] {
        Array("\(bootID.text) \(GateBeat.padded(pid, to: 10)) \(GateBeat.padded(atMs, to: 19))\n".utf8)
    }

    private static func padded(_ number: some BinaryInteger, to digits: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
