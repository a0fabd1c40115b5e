/// Converts the key events of a scanner in keyboard-wedge mode into bytes for `CodeLines`. A pure value.
///
/// The events are `struct input_event` of linux/input.h. The scanner must use the US layout. Enter and Tab end a code.
/// A key without a printable character becomes a NUL, so its line is noise. Such keys are control and function keys,
/// and modifiers other than shift. An overflow of the kernel's buffer has the same effect.
struct KeyboardWedge: Sendable {
    /// Size of an event: two words of time, type, code, value.
    static let eventBytes = 2 * MemoryLayout<Int>.size + 8

    private var pending: [UInt8] = []
    /// Codes of the modifier keys that are pressed.
    private var held: Set<Int> = []
    private var capsLock = false

    /// Returns the characters of these events. An incomplete event is kept until its rest arrives.
    mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        pending += bytes
        var typed: [UInt8] = []
        var at = 0
        while pending.count - at >= KeyboardWedge.eventBytes {
            let fields = at + KeyboardWedge.eventBytes - 8
            let (type, code) = (word(fields), word(fields + 2))
            if let byte = self.typed(type, code, word(fields + 4) | word(fields + 6) << 16) { typed.append(byte) }
            at += KeyboardWedge.eventBytes
        }
        pending.removeFirst(at)
        return typed
    }

    /// The kernel uses the byte order of the machine, which is little-endian on all platforms of Swift.
    private func word(_ at: Int) -> Int { Int(pending[at]) | Int(pending[at + 1]) << 8 }

    private mutating func typed(_ type: Int, _ code: Int, _ value: Int) -> UInt8? {
        if type == Event.synchronisation {
            guard code == Event.dropped else { return nil }
            // The dropped events may include releases.
            held = []
            return 0
        }
        guard type == Event.key else { return nil }
        if Key.modifiers.contains(code) {
            if value == 0 { held.remove(code) } else { held.insert(code) }
            return nil
        }
        // Releases are no characters. Repeats are not either: a scanner holds no key, so a repeat is a stalled device.
        guard value == 1 else { return nil }
        if code == Key.capsLock {
            capsLock.toggle()
            return nil
        }
        if code == Key.numLock { return nil }
        if Key.ends.contains(code) { return UInt8(ascii: "\n") }
        guard held.isSubset(of: Key.shifts), let key = Key.printable[code] else { return 0 }
        let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(key.plain)
        return held.isEmpty != (isLetter && capsLock) ? key.plain : key.shifted
    }

    private enum Event {
        static let synchronisation = 0
        static let dropped = 3
        static let key = 1
    }

    /// Codes of linux/input-event-codes.h.
    private enum Key {
        static let shifts: Set = [42, 54]
        /// Shift, control, alt and meta, left and right.
        static let modifiers: Set = [42, 54, 29, 97, 56, 100, 125, 126]
        static let capsLock = 58
        static let numLock = 69
        /// Enter, keypad enter, tab.
        static let ends: Set = [28, 96, 15]

        static let printable: [Int: (plain: UInt8, shifted: UInt8)] = {
            let rows: [(first: Int, plain: String, shifted: String)] = [
                (2, "1234567890-=", "!@#$%^&*()_+"),
                (16, "qwertyuiop[]", "QWERTYUIOP{}"),
                (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
                (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
                (55, "*", "*"), (57, " ", " "), (98, "/", "/"),
                // The keypad, always in number mode.
                (71, "789-456+1230.", "789-456+1230."),
            ]
            var keys: [Int: (plain: UInt8, shifted: UInt8)] = [:]
            for row in rows {
                for (offset, pair) in zip(row.plain.utf8, row.shifted.utf8).enumerated() {
                    keys[row.first + offset] = (pair.0, pair.1)
                }
            }
            return keys
        }()
    }
}
