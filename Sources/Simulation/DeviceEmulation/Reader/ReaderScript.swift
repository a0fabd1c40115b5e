import Crypto
package import ErrorModel
import LinuxSystem
package import Runtime

/// Runs a script on an emulated reader, one step per line. Confined to one thread.
package struct ReaderScript: Sendable {
    private let reader: PN532Emulator
    private let meta: AES128
    private let file: AES128
    private let isDiversified: Bool
    /// Chips that have been in the field, by their UID, so that their counters continue.
    private var chips: [[UInt8]: SunChip] = [:]
    private var randomUIDs: UInt32 = 0

    /// Time limit of `tap` for a program to read the tag, in milliseconds.
    package static let tapLimitMs = 10_000
    /// Time that `tap` leaves a read tag in the field, in milliseconds. A person holds a wristband about that long.
    package static let tapMs = 200
    private static let waitLimitMs = 3_600_000

    /// Each step with its explanation, for help and documentation.
    package static let steps = [
        ("tag UID", "a chip known only by its UID (8, 14 or 20 hexadecimal digits) enters the field and stays"),
        ("random", "a chip with a random UID, 08 and three more bytes, different for each step"),
        ("url UID URL", "an ISO-DEP chip with this URL in its NDEF file"),
        ("sun UID [COUNTER]", "an NTAG 424 DNA; it signs each read and increases its counter, from COUNTER if given"),
        ("hidden UID [COUNTER]", "the same chip, with a random UID until it is read"),
        ("foreign UID", "an ISO-DEP chip without an NDEF file, such as a bank card"),
        ("noise UID", "an ISO-DEP chip that answers each command with noise"),
        ("leave N", "the chip in the field leaves after N more exchanges"),
        ("remove", "removes the chip from the field"),
        ("tap [MS]", "waits until a program has read the chip, at most 10 s, leaves it for MS (200) and removes it"),
        ("silence on|off", "the reader does not answer"),
        ("garbage on|off", "the reader answers with noise"),
        ("fault NAME", "one of \(PN532Fault.allCases.map(\.rawValue).joined(separator: ", "))"),
        ("reset", "a short power failure of the reader"),
        ("brownout", "a short drop of the supply: the reader answers but finds no chip until it is opened again"),
        ("unplug", "unplugs the cable"),
        ("plug", "plugs the cable in again, under the same path"),
        ("wait MS", "pauses the script"),
        ("status", "prints the counters and the fault of the reader, as JSON"),
    ]

    /// - Parameters:
    ///   - meta: the key for UID and counter of signing chips, 16 bytes.
    ///   - file: their key for the MAC, 16 bytes.
    ///   - isDiversified: whether each chip holds AN10922(file, UID) instead of `file`.
    /// - Returns: `nil` for keys of another length.
    package init?(_ reader: PN532Emulator, meta: [UInt8], file: [UInt8], isDiversified: Bool) {
        guard let meta = AES128(key: meta), let file = AES128(key: file) else { return nil }
        self.reader = reader
        self.meta = meta
        self.file = file
        self.isDiversified = isDiversified
    }

    /// A line that cannot be executed.
    package struct InvalidStep: OperationError {
        /// The line, and the reason why it is invalid.
        package let description: String
        /// Always `.failure`.
        package var category: ErrorCategory { .failure }
    }

    /// Executes one line.
    ///
    /// - Parameter stop: ends the waits of `tap` and `wait`.
    /// - Returns: the text to print; `nil` for an empty line and a comment (`#`).
    /// - Throws: `InvalidStep`, and `SystemError` if the port cannot be opened again.
    package mutating func execute(_ line: String, stop: StopSignal) throws -> String? {
        let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
        guard let step = words.first, !step.hasPrefix("#") else { return nil }
        let rest = Array(words.dropFirst())
        // A chip that is replaced keeps its counter for its next step.
        remember(reader.tag)
        if try present(step, rest) { return "ok" }
        switch (step, rest.count) {
        case ("remove", 0): remember(reader.removeTag())
        case ("leave", 1): try leave(rest[0])
        case ("tap", 0...1): try tap(rest.first, stop)
        case ("silence", 1): try toggle(.silence, rest[0])
        case ("garbage", 1): try toggle(.garbage, rest[0])
        case ("fault", 1):
            guard let fault = PN532Fault(rawValue: rest[0]) else { throw unknown(line) }
            reader.fault = fault
        case ("reset", 0): reader.reset()
        case ("brownout", 0): reader.brownOut()
        case ("unplug", 0): reader.unplug()
        case ("plug", 0): try reader.plug()
        case ("wait", 1): stop.wait(ms: try number(rest[0], ReaderScript.waitLimitMs))
        case ("status", 0): return status
        default: throw unknown(line)
        }
        return "ok"
    }

    /// Executes a step that puts a chip into the field. Returns `false` for another step.
    private mutating func present(_ step: String, _ rest: [String]) throws -> Bool {
        let tag: EmulatedTag
        switch (step, rest.count) {
        case ("tag", 1): tag = .plain(try uid(rest[0], [4, 7, 10]))
        case ("random", 0): tag = .plain(nextRandomUID())
        case ("url", 2): tag = .type4(try uid(rest[0], [4, 7, 10]), Type4Application(url: rest[1]))
        case ("foreign", 1):
            tag = .type4(try uid(rest[0], [4, 7, 10]), Type4Application(message: [], behavior: .foreign))
        case ("noise", 1):
            tag = .type4(
                try uid(rest[0], [4, 7, 10]),
                Type4Application(message: [], behavior: .noise(seed: UInt64(randomUIDs) + 1)))
        case ("sun", 1...2): tag = .sun(try chip(rest))
        case ("hidden", 1...2): tag = .sun(try chip(rest), showing: nextRandomUID())
        default: return false
        }
        reader.present(tag)
        return true
    }

    private mutating func remember(_ tag: EmulatedTag?) {
        if let chip = tag?.sun { chips[chip.uid] = chip }
    }

    private func chip(_ words: [String]) throws -> SunChip {
        let uid = try uid(words[0], [SunChip.uidBytes])
        var chip =
            chips[uid]
            ?? SunChip(uid: uid, meta: meta, file: isDiversified ? CMAC.diversifiedKey(of: file, input: uid) : file)
        if words.count == 2 { chip.counter = UInt32(try number(words[1], 0xff_ffff)) }
        return chip
    }

    private mutating func nextRandomUID() -> [UInt8] {
        randomUIDs += 1
        let value = randomUIDs &* 0x9e37_79b9
        return [0x08] + [24, 16, 8].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private mutating func leave(_ count: String) throws {
        guard var tag = reader.removeTag() else { throw InvalidStep(description: "leave: no chip is in the field") }
        tag.leavesAfter = try number(count, 1_000)
        reader.present(tag)
    }

    private mutating func tap(_ stay: String?, _ stop: StopSignal) throws {
        let stayMs = try stay.map { try number($0, ReaderScript.waitLimitMs) } ?? ReaderScript.tapMs
        let deadline = SystemClock.monotonicMs() + Int64(ReaderScript.tapLimitMs)
        while !reader.isReported {
            guard SystemClock.monotonicMs() < deadline else {
                throw InvalidStep(description: "tap: no program has read the chip within \(ReaderScript.tapLimitMs) ms")
            }
            if stop.wait(ms: 5) { return }
        }
        stop.wait(ms: stayMs)
        remember(reader.removeTag())
    }

    private func toggle(_ fault: PN532Fault, _ word: String) throws {
        guard ["on", "off"].contains(word) else {
            throw InvalidStep(description: "\(fault.rawValue): 'on' or 'off' is needed")
        }
        reader.fault = word == "on" ? fault : .none
    }

    private var status: String {
        """
        {"exchanges":\(reader.exchanges),"fault":"\(reader.fault.rawValue)","selections":\(reader.selections),\
        "taken":\(reader.isReported)}
        """
    }

    private func uid(_ text: String, _ lengths: [Int]) throws -> [UInt8] {
        guard let bytes = Hex.decode(text), lengths.contains(bytes.count) else {
            let digits = lengths.map { String(2 * $0) }.joined(separator: ", ")
            throw InvalidStep(description: "\(text): a UID of \(digits) hexadecimal digits is needed")
        }
        return bytes
    }

    private func number(_ text: String, _ limit: Int) throws -> Int {
        guard let value = Int(text), (0...limit).contains(value) else {
            throw InvalidStep(description: "\(text): a whole number from 0 to \(limit) is needed")
        }
        return value
    }

    private func unknown(_ line: String) -> InvalidStep { InvalidStep(description: "no such step: \(line)") }
}
