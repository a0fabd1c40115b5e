/// The state machine of an NXP PN532 on its serial line (HSU), with at most one tag in its field.
///
/// Supports the commands of libnfc 1.8's pn532_uart driver. Polls type A at 106 kbit/s only; every other modulation
/// finds no target. Source: PN532 User Manual, UM0701-02.
struct PN532Chip: EmulatedDevice {
    /// The tag in the field.
    private(set) var tag: EmulatedTag?
    var fault = PN532Fault.none
    /// Number of received commands, by their code.
    private(set) var counts: [UInt8: Int] = [:]
    /// Number of tags that were reported to the host.
    private(set) var selections = 0
    /// Number of data exchanges of the host with a tag.
    private(set) var exchanges = 0

    /// Whether the chip processes frames. After power-on and PowerDown, the host must send 55 first.
    private(set) var isAwake = false
    /// Whether the radio works. After power-on, the host must send SAMConfiguration first.
    private var isConfigured = false
    private var registers: [UInt16: UInt8] = [:]
    /// Whether InListPassiveTarget waits until a tag comes (RFConfiguration, item 5).
    private var waitsForTag = true
    private var isFieldOn = false
    private var hasSelected = false
    /// Whether the tag in the field was reported to the host.
    private(set) var isReported = false

    private var pending: [UInt8] = []
    private var pendingOutput: [UInt8] = []
    private var lastResponse: [UInt8] = []
    private var search: Search?
    private var noise: UInt64 = 1

    /// A command that waits for a tag.
    private struct Search {
        let command: UInt8
        /// Target types of InAutoPoll, in the order of the host's preference.
        let types: [UInt8]
        /// `nil` for no time limit.
        let untilMs: Int64?
    }

    /// Maximum number of received bytes without a frame, over three times the longest frame. More are discarded.
    private static let pendingLimitBytes = 1_024
    private static let wakeUp: UInt8 = 0x55
    /// One polling period of InAutoPoll, in milliseconds.
    private static let periodMs: Int64 = 150

    var deadlineMs: Int64? { search?.untilMs }

    mutating func power(_ isOn: Bool, nowMs: Int64) {
        (isAwake, isConfigured, isFieldOn, waitsForTag, hasSelected) = (false, false, false, true, false)
        (registers, pending, pendingOutput, lastResponse, search) = ([:], [], [], [], nil)
    }

    /// Simulates a short drop of the supply: the chip still answers, but its radio is off until it is configured again.
    mutating func brownOut() { (isConfigured, isFieldOn, hasSelected) = (false, false, false) }

    /// Replaces the tag in the field.
    mutating func put(_ tag: EmulatedTag?) {
        self.tag = tag
        (hasSelected, isReported) = (false, false)
    }

    mutating func receive(_ bytes: [UInt8], nowMs: Int64) {
        pending += bytes
        if !isAwake {
            guard let start = pending.firstIndex(of: PN532Chip.wakeUp) else {
                pending = []
                return
            }
            pending.removeFirst(start)
            isAwake = true
        }
        while let frame = PN532Frame.next(&pending) { process(frame, nowMs) }
        if pending.count > PN532Chip.pendingLimitBytes { pending = [] }
    }

    mutating func output(nowMs: Int64) -> [UInt8] {
        if let search {
            if let found = target(search) {
                self.search = nil
                answer(search.command, found)
            } else if let until = search.untilMs, nowMs >= until {
                self.search = nil
                answer(search.command, [0x00])
            }
        }
        defer { pendingOutput = [] }
        return pendingOutput
    }

    private mutating func process(_ frame: PN532Frame, _ nowMs: Int64) {
        switch frame {
        case .foreign: return
        case .acknowledge:
            search = nil
            return
        case .negativeAcknowledge: return send(lastResponse)
        case .command(let command, let data):
            counts[command, default: 0] += 1
            // A new command aborts the one in progress.
            search = nil
            switch fault {
            case .silence: return
            case .garbage: return send(noiseBytes())
            case .acknowledge: return send(PN532Frame.acknowledgement)
            case .none, .checksum, .half, .radio: break
            }
            send(PN532Frame.acknowledgement)
            execute(command, data, nowMs)
        }
    }

    private mutating func send(_ bytes: [UInt8]) { pendingOutput += bytes }

    private mutating func answer(_ command: UInt8, _ data: [UInt8]) {
        lastResponse = PN532Frame.response(command, data)
        switch fault {
        // The fault began during the search for a tag.
        case .silence, .acknowledge: return
        case .radio where command == 0x4a || command == 0x60: return
        case .checksum: lastResponse[lastResponse.count - 2] ^= 0x5a
        case .half: lastResponse.removeLast(lastResponse.count / 2)
        default: break
        }
        send(lastResponse)
    }

    private mutating func execute(_ command: UInt8, _ data: [UInt8], _ nowMs: Int64) {
        switch command {
        case 0x00: diagnose(data)
        case 0x02: answer(command, [0x32, 0x01, 0x06, 0x07])  // GetFirmwareVersion: PN532 v1.6, A, B and 18092
        case 0x04: answer(command, [0x00, isFieldOn ? 1 : 0, hasSelected ? 1 : 0, 0x00])  // GetGeneralStatus
        case 0x06: answer(command, addresses(data, stride: 2).map { registers[$0.address] ?? 0 })  // ReadRegister
        case 0x08:  // WriteRegister
            for write in addresses(data, stride: 3) { registers[write.address] = write.value }
            answer(command, [])
        case 0x10, 0x12: answer(command, [])  // SetSerialBaudRate, SetParameters
        case 0x14:  // SAMConfiguration
            isConfigured = true
            answer(command, [])
        case 0x16:  // PowerDown
            answer(command, [0x00])
            (isAwake, isFieldOn, hasSelected) = (false, false, false)
        case 0x32: configureRadio(data)
        case 0x4a: list(data)
        case 0x60: poll(data, nowMs)
        case 0x40: exchange(data)
        case 0x42: exchangeRaw(data)
        case 0x44, 0x52, 0x54:  // InDeselect, InRelease, InSelect
            hasSelected = command == 0x54 && tag != nil
            answer(command, [0x00])
        case 0x4e: answer(command, [0x00])  // InPSL
        case 0x50, 0x56: answer(command, [0x01])  // InATR, InJumpForDEP: time-out
        case 0x46: answer(command, [0x01])  // InJumpForPSL
        case 0x8c: break  // TgInitAsTarget: waits for an initiator that never comes
        default: send(PN532Frame.applicationError)
        }
    }

    private mutating func diagnose(_ data: [UInt8]) {
        switch data.first {
        case 0x00: answer(0x00, data)  // communication line test: echo
        case 0x06: answer(0x00, [reachable == nil ? 0x01 : 0x00])  // attention request to the tag
        default: answer(0x00, [0x00])
        }
    }

    private func addresses(_ data: [UInt8], stride step: Int) -> [(address: UInt16, value: UInt8)] {
        stride(from: 0, through: data.count - step, by: step).map { at in
            (UInt16(data[at]) << 8 | UInt16(data[at + 1]), data[at + step - 1])
        }
    }

    private mutating func configureRadio(_ data: [UInt8]) {
        switch data.first {
        case 0x01 where data.count > 1:
            isFieldOn = data[1] & 0x01 != 0
            if !isFieldOn { hasSelected = false }
        case 0x05 where data.count > 3: waitsForTag = data[3] == 0xff
        default: break
        }
        answer(0x32, [])
    }

    /// The tag in the field, or `nil` if the radio is off or the tag has left.
    private var reachable: EmulatedTag? {
        guard isConfigured, let tag, !tag.hasLeft else { return nil }
        return tag
    }

    // InListPassiveTarget: maximum number of targets, baud rate and modulation, then the UID to search for.
    private mutating func list(_ data: [UInt8]) {
        guard data.count >= 2, data[1] == 0x00 else { return answer(0x4a, [0x00]) }
        isFieldOn = true
        let wanted = Array(data.dropFirst(2))
        if !wanted.isEmpty && wanted != reachable.map({ PN532Chip.cascaded($0.uid) }) { return answer(0x4a, [0x00]) }
        let search = Search(command: 0x4a, types: [], untilMs: nil)
        if let found = target(search) { return answer(0x4a, found) }
        guard waitsForTag else { return answer(0x4a, [0x00]) }
        self.search = search
    }

    // InAutoPoll: number of rounds (ff: endless), period, target types.
    private mutating func poll(_ data: [UInt8], _ nowMs: Int64) {
        guard data.count >= 3 else { return answer(0x60, [0x00]) }
        isFieldOn = true
        let windowMs = Int64(data[0]) * Int64(data[1]) * PN532Chip.periodMs * Int64(data.count - 2)
        search = Search(
            command: 0x60, types: Array(data[2...]), untilMs: data[0] == 0xff ? nil : nowMs + windowMs)
    }

    /// The response data with the tag that `search` finds; `nil` before a tag comes.
    private mutating func target(_ search: Search) -> [UInt8]? {
        guard var found = reachable else { return nil }
        let report: [UInt8]
        if search.command == 0x4a {
            report = found.report(number: 1)
        } else {
            // Type 20 requires ISO-DEP; generic and MIFARE passive 106 accept any tag.
            guard let type = search.types.first(where: { $0 == 0x00 || $0 == 0x10 || ($0 == 0x20 && found.isISODEP) })
            else { return nil }
            let data = found.report(number: 1)
            report = [type, UInt8(data.count)] + data
        }
        found.select()
        tag = found
        (hasSelected, isReported) = (true, true)
        selections += 1
        return [0x01] + report
    }

    // InDataExchange: target number, data.
    private mutating func exchange(_ data: [UInt8]) {
        exchanges += 1
        guard hasSelected else { return answer(0x40, [0x27]) }
        guard isConfigured, let bytes = tag?.exchange(Array(data.dropFirst())) else { return answer(0x40, [0x01]) }
        answer(0x40, [0x00] + bytes)
    }

    // InCommunicateThru.
    private mutating func exchangeRaw(_ data: [UInt8]) {
        guard hasSelected, isConfigured, let bytes = tag?.exchangeRaw(data) else { return answer(0x42, [0x01]) }
        answer(0x42, [0x00] + bytes)
    }

    /// A UID as sent over the air: a cascade tag precedes each group of three bytes, except the last four bytes.
    static func cascaded(_ uid: [UInt8]) -> [UInt8] {
        var (rest, result) = (uid[...], [UInt8]())
        while rest.count > 4 {
            result += [0x88] + rest.prefix(3)
            rest = rest.dropFirst(3)
        }
        return result + rest
    }

    // xorshift64.
    private mutating func noiseBytes() -> [UInt8] {
        (0..<24).map { _ in
            noise ^= noise << 13
            noise ^= noise >> 7
            noise ^= noise << 17
            return UInt8(truncatingIfNeeded: noise >> 24)
        }
    }
}
