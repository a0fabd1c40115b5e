import DataFolder
import FileSystem
import Runtime
import ScanBatchCodec

extension GateState {
    /// The `state` map of a heartbeat batch. Values are cut to 64 characters, because each heartbeat carries them.
    ///
    /// - Parameters:
    ///   - gate: the content of `gate.json`; `nil` if no gate has written one.
    ///   - folder: the scanner's data folder, whose free space is reported.
    static func heartbeat(of gate: GateState?, folder: String) -> [String: ScanBatch.StateValue] {
        var map: [String: ScanBatch.StateValue] = ["software": .text(Software.version)]
        for (key, text) in [("reader", gate?.reader), ("turnstile", gate?.turnstile), ("mode", gate?.mode)] {
            if let text, !text.isEmpty { map[key] = .text(String(text.prefix(64))) }
        }
        if let free = Files.freeBytes(folder) { map["disk"] = .text("\(free >> 20) MiB free") }
        return map
    }
}
