import FoundationEssentials
import Runtime

/// `gate.json`: what the gate is, or last was, for `status` and for the fleet view. Replaced whole; not durable, because the
/// next start writes it anew.
public struct GateState: Codable, Hashable, Sendable {
    public var pid: Int32
    public var scanner: String
    /// The journal it writes.
    public var journal: String
    /// The readers, with what is wrong with them: `stdin`, or `nfc:auto, serial:/dev/ttyACM0 (unplugged)`.
    public var reader: String
    public var software: String
    /// Device clock at its start, seconds since 1970.
    public var startedS: Int64
    /// The gate it is; nil where none could be chosen, and then `problem` says why.
    public var gate: Int64?
    public var gateName: String?
    public var zone: String?
    public var problem: String?
    /// The snapshot in force; 0: none.
    public var snapshot: Int64
    /// Seconds since 1970; nil without a snapshot.
    public var snapshotExpiresS: Int64?
    /// `ok`, or what is wrong; nil without one.
    public var turnstile: String?
    /// `normal`, `free`, `closed`; `inspection` for a roaming check.
    public var mode: String?
    public var readers: [LaneState.Reader]?
    /// Of the disk with the data folder, in percent.
    public var diskUsedPercent: Int?
    /// What the crew should know or do.
    public var alarms: [String]?

    public static func path(_ folder: String) -> String { folder + "/gate.json" }

    /// Nil when there is none that can be read.
    public static func read(folder: String) -> GateState? {
        guard let bytes = try? Files.read(path(folder), limit: 65_536) else { return nil }
        return try? JSONDecoder().decode(GateState.self, from: Data(bytes))
    }

    /// Throws `SystemError`.
    func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically([UInt8](try encoder.encode(self)), to: GateState.path(folder), durable: false)
    }

    /// Removes what a gate that was killed in the middle of `write` left behind.
    static func removeLeftovers(folder: String) {
        for name in (try? Files.list(folder)) ?? [] where name.hasPrefix("gate.json.tmp-") {
            try? Files.remove(folder + "/" + name)
        }
    }

    /// Whether the process that wrote it is a running gate.
    public var isRunning: Bool {
        (try? Files.readText("/proc/\(pid)/comm", limit: 64))?.hasPrefix("tapline-gate") ?? false
    }
}
