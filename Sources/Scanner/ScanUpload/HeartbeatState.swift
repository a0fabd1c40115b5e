internal import Batches
internal import FoundationEssentials
internal import Runtime
internal import Scans

/// What the running gate says of itself in `gate.json`, for heartbeats. Everything is optional: the gate may be older,
/// newer, or not there.
struct GateState: Decodable, Equatable {
    var gate: Int64?
    var snapshot: Int64?
    var reader: String?
    var turnstile: String?
    var mode: String?
    var power: String?

    private enum CodingKeys: String, CodingKey { case gate, snapshot, reader, turnstile, mode, power }

    init() {}

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        // A value of another kind than expected is left out, not an error.
        gate = try? values.decodeIfPresent(Int64.self, forKey: .gate)
        snapshot = try? values.decodeIfPresent(Int64.self, forKey: .snapshot)
        reader = try? values.decodeIfPresent(String.self, forKey: .reader)
        turnstile = try? values.decodeIfPresent(String.self, forKey: .turnstile)
        mode = try? values.decodeIfPresent(String.self, forKey: .mode)
        power = try? values.decodeIfPresent(String.self, forKey: .power)
    }

    static func read(folder: String) -> GateState {
        guard let bytes = try? Files.read(folder + "/gate.json", limit: 65_536) else { return GateState() }
        return (try? JSONDecoder().decode(GateState.self, from: Data(bytes))) ?? GateState()
    }

    /// The batch's `state` map: short, for it travels with each heartbeat.
    func map(folder: String) -> [String: ScanBatch.StateValue] {
        var map: [String: ScanBatch.StateValue] = ["software": .text(Program.version)]
        for (key, text) in [("reader", reader), ("turnstile", turnstile), ("mode", mode), ("power", power)] {
            if let text { map[key] = .text(String(text.prefix(64))) }
        }
        if let free = Files.freeBytes(folder) { map["disk"] = .text("\(free >> 20) MiB free") }
        return map
    }
}
