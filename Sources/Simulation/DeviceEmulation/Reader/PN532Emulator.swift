/// An NFC reader that is not there: a PN532 on a pseudo-terminal, which the real libnfc opens as `pn532_uart:PATH`.
///
/// Tags are put into its field and taken away, its faults are switched, its cable is pulled and put back under the same name.
/// Every call takes effect at once; all are safe from any thread. Unplugged for good when the object goes.
package final class PN532Emulator: Sendable {
    private let port: EmulatedPort<PN532Chip>

    /// - Parameter link: the port's name; nil: one in a new folder.
    /// Throws `SystemError`.
    package init(link: String? = nil) throws { port = try EmulatedPort(PN532Chip(), link: link) }

    deinit { port.close() }

    /// What a program opens; the same after `unplug` and `plug`.
    package var path: String { port.path }
    /// What libnfc opens.
    package var connstring: String { "pn532_uart:\(path)" }

    /// Puts a tag into the field, in place of the one that is there.
    package func present(_ tag: EmulatedTag) { port.with { $0.put(tag) } }

    /// The tag in the field, with all that it has counted.
    package var tag: EmulatedTag? { port.with { $0.tag } }

    /// Whether a program has taken the tag in the field.
    package var isTaken: Bool { port.with { $0.isTaken } }

    /// Takes the tag out of the field and gives it, with all that it has counted meanwhile; nil when there was none.
    @discardableResult
    package func removeTag() -> EmulatedTag? {
        port.with { chip in
            defer { chip.put(nil) }
            return chip.tag
        }
    }

    /// What is wrong with the reader, from its next command on.
    package var fault: PN532Fault {
        get { port.with { $0.fault } }
        set { port.with { $0.fault = newValue } }
    }

    /// The reader lost its power for a moment: it sleeps until a host wakes it, as a host does that opens it.
    package func reset() { port.with { $0.power(true, nowMs: 0) } }

    /// Its supply dipped: it answers everything and finds no tag, until a host opens it anew.
    package func brownOut() { port.with { $0.brownOut() } }

    /// Pulls the cable: programs see a hang-up, and the name is gone.
    package func unplug() { port.unplug() }

    /// Puts the cable back: the same name, a reader fresh from power-on, the same tag in its field. Throws `SystemError`.
    package func plug() throws { try port.plug() }

    /// How often a command was heard, by its code (0x60: InAutoPoll).
    package func count(of command: UInt8) -> Int { port.with { $0.counts[command] ?? 0 } }

    /// How often a tag was handed to the host.
    package var selections: Int { port.with { $0.selections } }

    /// How often the host exchanged data with a tag.
    package var exchanges: Int { port.with { $0.exchanges } }
}
