/// What `--turnstile` says: the port of a relay board, what hangs on its channels, how long a pulse is.
///
/// `serial:PATH[,open=N][,open-out=N][,green=N][,red=N][,buzzer=N][,pulse=MS][,gap=MS]`; channels from 1 to 8.
package struct TurnstileSettings: Hashable, Sendable {
    package var path: String
    /// Unlocks the turnstile.
    package var open = 1
    /// Unlocks it for the way out, where that is a relay of its own; nil: `open` does both.
    package var openOut: Int?
    package var green: Int?
    package var red: Int?
    package var buzzer: Int?
    /// Milliseconds that the relay is pulled: most turnstiles want at least 100, and some open twice for a long one.
    package var pulseMs = 300
    /// Milliseconds at least between two pulses.
    package var gapMs = 200

    package static let pulsesMs = 100...1_000
    package static let gapsMs = 50...5_000

    package init(path: String) { self.path = path }

    /// Nil for `none`. Throws `SettingsError`.
    package static func parse(_ text: String) throws(SettingsError) -> TurnstileSettings? {
        if text == "none" { return nil }
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard words[0].hasPrefix("serial:"), words[0] != "serial:" else {
            throw SettingsError("'\(text)': none, or serial:PATH[,open=1][,green=2][,red=3][,buzzer=4][,pulse=300]")
        }
        var settings = TurnstileSettings(path: String(words[0].dropFirst("serial:".count)))
        for word in words.dropFirst() { try settings.read(word) }
        let used = settings.channels
        guard used.count == Set(used).count else { throw SettingsError("'\(text)': two signals on one channel") }
        return settings
    }

    /// Every channel in use.
    package var channels: [Int] { [open, openOut, green, red, buzzer].compactMap(\.self) }

    private mutating func read(_ word: String) throws(SettingsError) {
        let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
        guard pair.count == 2, let number = Int(pair[1]) else {
            throw SettingsError("'\(word)': a name, = and a number")
        }
        let range =
            switch pair[0] {
            case "pulse": TurnstileSettings.pulsesMs
            case "gap": TurnstileSettings.gapsMs
            default: RelayFrames.channels
            }
        guard range.contains(number) else {
            throw SettingsError("'\(word)': from \(range.lowerBound) to \(range.upperBound)")
        }
        switch pair[0] {
        case "open": open = number
        case "open-out": openOut = number
        case "green": green = number
        case "red": red = number
        case "buzzer": buzzer = number
        case "pulse": pulseMs = number
        case "gap": gapMs = number
        default: throw SettingsError("'\(word)': one of open, open-out, green, red, buzzer, pulse, gap")
        }
    }
}

/// A setting that cannot be, in words for the person who wrote it.
package struct SettingsError: Error, CustomStringConvertible, Sendable {
    package let description: String
    init(_ description: String) { self.description = description }
}
