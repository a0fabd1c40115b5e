/// The protocol of LCUS relay boards: 9,600 baud, 8N1.
///
/// `A0 channel state sum` switches a channel, counted from 1. `FF` requests the state of boards with 2, 4 and 8
/// channels. Boards with one channel do not answer, which is no fault.
enum RelayFrames {
    static let channels = 1...8
    static let stateRequest: [UInt8] = [0xff]

    static func set(_ channel: Int, _ isOn: Bool) -> [UInt8] {
        let body: [UInt8] = [0xa0, UInt8(channel), isOn ? 1 : 0]
        return body + [body.reduce(0, &+)]
    }

    static func allOff(_ channels: [Int]) -> [UInt8] { channels.flatMap { set($0, false) } }

    /// Decodes an answer to `stateRequest`, channel 1 first; empty for an incomplete or invalid one.
    ///
    /// Boards of the same name differ: one line per channel (`CH1:ON`, with or without blanks), or one byte per
    /// channel, 0 or 1.
    static func states(_ bytes: [UInt8]) -> [Bool] {
        if !bytes.isEmpty && bytes.count <= channels.upperBound && bytes.allSatisfy({ $0 <= 1 }) {
            return bytes.map { $0 == 1 }
        }
        var states: [Bool] = []
        for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
            let text = String(decoding: line, as: UTF8.self).uppercased().filter { $0 != " " }
            for (ending, isOn) in [(":ON", true), (":OFF", false)] where text == "CH\(states.count + 1)\(ending)" {
                states.append(isOn)
                break
            }
        }
        return states
    }
}
