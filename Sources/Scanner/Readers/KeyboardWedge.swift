/// What a scanner in keyboard-wedge mode types, out of the kernel's key events (`struct input_event` of linux/input.h). A pure
/// value: events in, bytes for `CodeLines` out.
///
/// The scanner is set to the US layout. Enter and Tab end a code. Whatever types no printable character (a control or function
/// key, a modifier other than shift) becomes a NUL, which makes its line noise; so does a kernel buffer that overflowed.
struct KeyboardWedge: Sendable {
    /// Two words of time, type, code, value.
    static let eventBytes = 2 * MemoryLayout<Int>.size + 8

    private var pending: [UInt8] = []
    /// Modifier keys that are down, by their code.
    private var held: Set<Int> = []
    private var capsLock = false

    /// The bytes typed by these events; the head of an event that is not whole waits for its rest.
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

    /// The kernel writes in the machine's own byte order, which is little-endian wherever Swift runs.
    private func word(_ at: Int) -> Int { Int(pending[at]) | Int(pending[at + 1]) << 8 }

    private mutating func typed(_ type: Int, _ code: Int, _ value: Int) -> UInt8? {
        if type == Event.synchronisation {
            guard code == Event.dropped else { return nil }
            // Releases may be among what was dropped.
            held = []
            return 0
        }
        guard type == Event.key else { return nil }
        if Key.modifiers.contains(code) {
            if value == 0 { held.remove(code) } else { held.insert(code) }
            return nil
        }
        // Releases type nothing, and a scanner holds no key down: a repeat is a stall of the device, not a character.
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
                // The keypad, always as numbers.
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
