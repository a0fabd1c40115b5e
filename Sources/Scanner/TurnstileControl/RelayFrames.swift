/// The bytes of LCUS relay boards: 9600 baud, 8N1.
///
/// `A0 channel state sum` switches a channel (from 1); `FF` asks boards of 2, 4 and 8 channels for their state. Boards of one
/// channel say nothing, which is no fault.
enum RelayFrames {
    static let channels = 1...8
    static let question: [UInt8] = [0xff]

    static func set(_ channel: Int, _ isOn: Bool) -> [UInt8] {
        let body: [UInt8] = [0xa0, UInt8(channel), isOn ? 1 : 0]
        return body + [body.reduce(0, &+)]
    }

    static func allOff(_ channels: [Int]) -> [UInt8] { channels.flatMap { set($0, false) } }

    /// The states in what a board has answered so far, channel 1 first; empty while it makes no sense (yet).
    ///
    /// Boards of one name differ: a line a channel (`CH1:ON`, with or without blanks), or a byte a channel, 0 or 1.
    static func states(_ bytes: [UInt8]) -> [Bool] {
        if !bytes.isEmpty && bytes.count <= channels.upperBound && bytes.allSatisfy({ $0 <= 1 }) {
            return bytes.map { $0 == 1 }
        }
        var states: [Bool] = []
        for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
            let words = String(decoding: line, as: UTF8.self).uppercased().filter { $0 != " " }
            for (ending, isOn) in [(":ON", true), (":OFF", false)] where words == "CH\(states.count + 1)\(ending)" {
                states.append(isOn)
                break
            }
        }
        return states
    }
}
