import DataFolder
import FileSystem
import Runtime
import ScanBatchCodec

/// The state of the gate, read again when `gate.json` changes.
struct GateStateTail {
    private let folder: String
    private var status: Files.Status?
    /// The content of `gate.json`, or `nil` if no gate has written one.
    private(set) var state: GateState?

    /// - Parameter folder: The scanner's data folder.
    init(folder: String) { self.folder = folder }

    /// Reads the file if it has changed.
    ///
    /// - Returns: `true` if the gate has switched to another snapshot, which a heartbeat reports.
    mutating func poll() -> Bool {
        let now = Files.status(DataFolderPaths.gateState(folder))
        guard now != status else { return false }
        status = now
        let before = state
        state = GateState.read(folder: folder)
        return before != nil && state?.snapshot != before?.snapshot
    }

    /// Returns the `state` map of a heartbeat batch. Values are cut to 64 characters, because each heartbeat carries
    /// them.
    func heartbeat() -> [String: ScanBatch.StateValue] {
        var map: [String: ScanBatch.StateValue] = ["software": .text(Software.version)]
        for (key, text) in [("reader", state?.reader), ("turnstile", state?.turnstile), ("mode", state?.mode)] {
            if let text, !text.isEmpty { map[key] = .text(String(text.prefix(64))) }
        }
        if let dropped = state?.droppedReads { map["dropped_reads"] = .int(dropped) }
        if let free = Files.freeBytes(folder) { map["disk"] = .text("\(free >> 20) MiB free") }
        return map
    }
}
