import DataFolder
import FileSystem
import LinuxSystem
import Runtime
import ScanBatchCodec

/// The state of the gate, read again when `gate.json` changes, and whether it works.
struct GateStateTail {
    /// Interval at which process and beat of the gate are looked up, in milliseconds.
    private static let processIntervalMs: Int64 = 2_000
    /// Maximum number of alarms. The map of a heartbeat holds 32 entries.
    private static let alarmsLimit = 16

    private let folder: String
    private var status: Files.Status?
    /// The content of `gate.json`, or `nil` if no gate has written one.
    private(set) var state: GateState?
    /// Whether the gate works.
    private var liveness: GateLiveness
    private var checkedMs: Int64
    private var diskFault: String?

    /// - Parameter folder: The scanner's data folder.
    init(folder: String) {
        self.folder = folder
        liveness = GateLiveness(folder: folder, GateState.read(folder: folder))
        checkedMs = SystemClock.monotonicMs()
        diskFault = GateState.diskFault(folder: folder)
    }

    /// Reads the file if it has changed, and looks up process and beat of the gate at intervals.
    ///
    /// - Returns: `true` if a heartbeat must report a change at once: a gate that began, ended or hangs, another snapshot or
    ///   mode, or other alarms.
    mutating func poll() -> Bool {
        let now = Files.status(DataFolderPaths.gateState(folder))
        let nowMs = SystemClock.monotonicMs()
        let hasChanged = now != status
        guard hasChanged || nowMs - checkedMs >= GateStateTail.processIntervalMs else { return false }
        let (before, keywordsBefore, isRunning) = (state, alarms().map(\.keyword), liveness == .running)
        if hasChanged {
            status = now
            state = GateState.read(folder: folder)
        }
        checkedMs = nowMs
        diskFault = GateState.diskFault(folder: folder)
        liveness = GateLiveness(folder: folder, state)
        if (liveness == .running) != isRunning { return true }
        guard let before else { return false }
        return state?.snapshot != before.snapshot || state?.mode != before.mode || state?.pid != before.pid
            || alarms().map(\.keyword) != keywordsBefore
    }

    /// Returns the `state` map of a heartbeat batch.
    ///
    /// A gate that does not respond decides nothing, so it is reported as stopped, with the alarm `gate`.
    ///
    /// `alarms` holds the keywords, each once; `alarm.KEYWORD` the English text of each.
    func heartbeat() -> [String: ScanBatch.StateValue] {
        var map: [String: ScanBatch.StateValue] = [
            "software": .text(Software.version), "gate": .text(liveness == .running ? "running" : "stopped"),
        ]
        for (key, text) in [("reader", state?.reader), ("turnstile", state?.turnstile), ("mode", state?.mode)] {
            if let text, !text.isEmpty { map[key] = .text(GateStateTail.cut(text)) }
        }
        if let dropped = state?.droppedReads { map["dropped_reads"] = .int(dropped) }
        if let free = Files.freeBytes(folder) { map["disk"] = .text("\(free >> 20) MiB free") }
        let alarms = gateAlarm() + alarms()
        var keywords: [String] = []
        for alarm in alarms where !keywords.contains(alarm.keyword) && keywords.count < GateStateTail.alarmsLimit {
            keywords.append(alarm.keyword)
            let texts = alarms.filter { $0.keyword == alarm.keyword }.map(\.text)
            map["alarm.\(alarm.keyword)"] = .text(GateStateTail.cut(texts.joined(separator: ", ")))
        }
        if !keywords.isEmpty { map["alarms"] = .text(keywords.joined(separator: " ")) }
        return map
    }

    /// Cuts a text that is longer than the center accepts, at a blank if there is one.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > ScanBatch.stateTextLimitBytes else { return text }
        let mark = "..."
        var end = text.startIndex
        var bytes = mark.utf8.count
        while end < text.endIndex {
            bytes += text[end].utf8.count
            guard bytes <= ScanBatch.stateTextLimitBytes else { break }
            end = text.index(after: end)
        }
        let kept = text[..<end]
        // A blank in the first half would lose more than it makes readable.
        let words = kept.lastIndex(of: " ").map { kept[..<$0] }.flatMap { $0.count > kept.count / 2 ? $0 : nil }
        return (words ?? kept) + mark
    }

    /// Why a gate whose process runs counts as stopped.
    private func gateAlarm() -> [(keyword: String, text: String)] {
        guard case .unresponsive = liveness, let fault = liveness.fault else { return [] }
        return [("gate", fault)]
    }

    /// The alarms of the gate that runs, or ran last, and of the disk.
    private func alarms() -> [(keyword: String, text: String)] {
        let alarms = state.map(alarms(of:)) ?? []
        guard !alarms.contains(where: { $0.keyword == "disk" }), let fault = diskFault else { return alarms }
        return alarms + [("disk", fault)]
    }

    private func alarms(of state: GateState) -> [(keyword: String, text: String)] {
        var alarms = (state.readers ?? []).compactMap { reader in
            reader.problem.map { (keyword: "reader", text: "\(reader.name): \($0)") }
        }
        if let turnstile = state.turnstile, turnstile != "ok" { alarms.append(("turnstile", turnstile)) }
        let texts = state.alarms ?? []
        let keywords = state.alarmKeywords ?? []
        // A gate of another version may write no keywords, or keywords that are too long.
        for (index, text) in texts.enumerated() {
            let keyword = index < keywords.count ? keywords[index] : "other"
            let isPlain = keyword.utf8.count <= 12 && keyword.allSatisfy { $0.isASCII && $0.isLowercase }
            alarms.append((isPlain && !keyword.isEmpty ? keyword : "other", text))
        }
        return alarms
    }
}
