/// An emulated NFC reader: a PN532 on a pseudo-terminal, which libnfc opens as `pn532_uart:PATH`.
///
/// Every call takes effect immediately. All calls are thread-safe. The reader is unplugged when the object is released.
package final class PN532Emulator: Sendable {
    private let port: EmulatedPort<PN532Chip>

    /// - Parameter link: the path of the port; `nil` for a path in a new folder.
    /// - Throws: `SystemError`.
    package init(link: String? = nil) throws { port = try EmulatedPort(PN532Chip(), link: link) }

    deinit { port.close() }

    /// The path that programs open; `unplug` and `plug` do not change it.
    package var path: String { port.path }
    /// The connection string of libnfc.
    package var connstring: String { "pn532_uart:\(path)" }

    /// Puts a tag into the field, and removes the one before it.
    package func present(_ tag: EmulatedTag) { port.with { $0.put(tag) } }

    /// The tag in the field, with its present counters.
    package var tag: EmulatedTag? { port.with { $0.tag } }

    /// Whether the tag in the field was reported to the program.
    package var isReported: Bool { port.with { $0.isReported } }

    /// Removes the tag from the field.
    ///
    /// - Returns: the tag with its present counters, or `nil` if there was none.
    @discardableResult
    package func removeTag() -> EmulatedTag? {
        port.with { chip in
            defer { chip.put(nil) }
            return chip.tag
        }
    }

    /// The fault of the reader, in effect from its next command on.
    package var fault: PN532Fault {
        get { port.with { $0.fault } }
        set { port.with { $0.fault = newValue } }
    }

    /// Simulates a short power failure: the chip sleeps until a host wakes it. Opening the reader wakes it.
    package func reset() { port.with { $0.power(true, nowMs: 0) } }

    /// Simulates a short drop of the supply: the chip answers but finds no tag until a host opens the reader again.
    package func brownOut() { port.with { $0.brownOut() } }

    /// Unplugs the cable: programs receive a hang-up, and the path is removed.
    package func unplug() { port.unplug() }

    /// Plugs the cable in again, under the same path. The chip starts from power-on, with the same tag in its field.
    ///
    /// - Throws: `SystemError`.
    package func plug() throws { try port.plug() }

    /// Number of received commands with a code, for example 0x60 for InAutoPoll.
    package func count(of command: UInt8) -> Int { port.with { $0.counts[command] ?? 0 } }

    /// Number of tags that were reported to the host.
    package var selections: Int { port.with { $0.selections } }

    /// Number of data exchanges of the host with a tag.
    package var exchanges: Int { port.with { $0.exchanges } }
}

/// A fault of an emulated reader.
package enum PN532Fault: String, CaseIterable, Sendable {
    /// No fault.
    case none
    /// Does not answer at all.
    case silence
    /// Acknowledges each command but sends no response.
    case acknowledge
    /// Answers each command with noise instead of frames.
    case garbage
    /// Sends responses with a wrong checksum.
    case checksum
    /// Sends only the first half of each response.
    case half
    /// Answers every command except those that search for tags.
    case radio
}
