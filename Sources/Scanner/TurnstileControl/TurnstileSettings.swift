package import ErrorModel

/// The port of a relay board, the use of its channels, and the duration of a pulse.
///
/// `serial:PATH[,open=N][,open-out=N][,green=N][,red=N][,buzzer=N][,pulse=MS][,gap=MS]`; channels from 1 to 8.
package struct TurnstileSettings: Hashable, Sendable {
    /// Path of the serial port of the relay board.
    package var path: String
    /// Unlocks the turnstile.
    package var open = 1
    /// Unlocks it for an exit; `nil` if `open` does both.
    package var openOut: Int?
    /// Channel of the green lamp; `nil` without one.
    package var green: Int?
    /// Channel of the red lamp; `nil` without one.
    package var red: Int?
    /// Channel of the buzzer; `nil` without one.
    package var buzzer: Int?
    /// Duration of a pulse in milliseconds. Most turnstiles need at least 100, and some open twice for a long pulse.
    package var pulseMs = 300
    /// Minimum time between two pulses, in milliseconds.
    package var gapMs = 200

    /// Accepted range of `pulseMs`.
    static let pulsesMs = 100...1_000
    /// Accepted range of `gapMs`.
    static let gapsMs = 50...5_000

    /// Creates settings with the defaults, for the port at this path.
    package init(path: String) { self.path = path }

    /// Parses the setting; `nil` for `none`.
    ///
    /// - Throws: `TurnstileSettingsError`.
    package static func parse(_ text: String) throws(TurnstileSettingsError) -> TurnstileSettings? {
        if text == "none" { return nil }
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard words[0].hasPrefix("serial:"), words[0] != "serial:" else {
            throw TurnstileSettingsError(
                "'\(text)': none or serial:PATH[,open=1][,green=2][,red=3][,buzzer=4][,pulse=300] is needed")
        }
        var settings = TurnstileSettings(path: String(words[0].dropFirst("serial:".count)))
        for word in words.dropFirst() { try settings.read(word) }
        let used = settings.channels
        guard used.count == Set(used).count else { throw TurnstileSettingsError("'\(text)': a channel is used twice") }
        return settings
    }

    /// Every channel in use.
    package var channels: [Int] { [open, openOut, green, red, buzzer].compactMap(\.self) }

    private mutating func read(_ word: String) throws(TurnstileSettingsError) {
        let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
        guard pair.count == 2, let number = Int(pair[1]) else {
            throw TurnstileSettingsError("'\(word)': NAME=NUMBER is needed")
        }
        let range =
            switch pair[0] {
            case "pulse": TurnstileSettings.pulsesMs
            case "gap": TurnstileSettings.gapsMs
            default: RelayFrames.channels
            }
        guard range.contains(number) else {
            throw TurnstileSettingsError(
                "'\(word)': a number from \(range.lowerBound) to \(range.upperBound) is needed")
        }
        switch pair[0] {
        case "open": open = number
        case "open-out": openOut = number
        case "green": green = number
        case "red": red = number
        case "buzzer": buzzer = number
        case "pulse": pulseMs = number
        case "gap": gapMs = number
        default:
            throw TurnstileSettingsError("'\(word)': one of open, open-out, green, red, buzzer, pulse, gap is needed")
        }
    }
}

/// An invalid turnstile setting.
package struct TurnstileSettingsError: OperationError {
    /// The part of the setting, and what is needed there.
    package let description: String
    /// `configuration`: the setting must be corrected.
    package var category: ErrorCategory { .configuration }

    init(_ description: String) { self.description = description }
}
