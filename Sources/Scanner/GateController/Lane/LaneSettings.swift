import ScanJournal
package import ScanModel

extension Lane {
    /// What a lane is told at its start and keeps.
    package struct Settings: Sendable {
        /// One source of taps.
        package struct Reader: Hashable, Sendable {
            /// As given with `--reader`.
            package var name: String
            /// Of its taps; on standard input of the lines that name none.
            package var direction: Direction

            package init(_ name: String, _ direction: Direction = .in) {
                (self.name, self.direction) = (name, direction)
            }

            /// The name of the reader that is standard input.
            package static let stdin = "stdin"
        }

        /// The scanner's data folder.
        package var folder: String
        package var scanner: ScannerID
        package var key: EventKey
        /// `--gate`; nil: the scanner's default.
        package var gateName: String?
        package var format: VerdictLine.Format
        /// In the order of their indices in `LaneEvent.reader`.
        package var readers: [Reader]
        /// A roaming check: nothing is moved, neither memory nor turnstile.
        package var isInspection = false
        /// How long an admitted person may take to pass; nil without a passage sensor.
        package var passageMs: Int64?
        /// Whether there is a turnstile, for `gate.json`.
        package var hasTurnstile = false
        /// Days after which shipped scans are pruned.
        package var keepDays = Journal.keepDaysDefault

        /// Milliseconds within which a tag at a reader is the same tap, where the gate's policy is silent.
        static let defaultDebounceMs = 2_000
        /// `--passage-ms` unless set: a person with a suitcase.
        package static let defaultPassageMs = 5_000
        /// From this part of the disk on the crew is told.
        package static let diskAlarmPercent = 80

        package init(
            folder: String, scanner: ScannerID, key: EventKey, gateName: String? = nil,
            format: VerdictLine.Format = .text, readers: [Reader] = [Reader(Reader.stdin)]
        ) {
            (self.folder, self.scanner, self.key) = (folder, scanner, key)
            (self.gateName, self.format, self.readers) = (gateName, format, readers)
        }

        /// The index of standard input; nil where it is no reader.
        var stdin: Int? { readers.firstIndex { $0.name == Reader.stdin } }
    }
}
