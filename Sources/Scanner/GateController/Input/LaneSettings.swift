import AccessControl
import DataFolder
import Runtime
import ScanJournal
package import ScanModel
import SnapshotInstall
import Snapshots

extension Lane {
    /// The settings of a lane, constant while it runs.
    package struct Settings: Sendable {
        /// One source of taps.
        package struct Reader: Hashable, Sendable {
            /// The name in the settings, such as `stdin` or `nfc:auto`.
            package var name: String
            /// Direction of its taps; on standard input, of lines without a direction.
            package var direction: Direction

            /// Creates a reader.
            ///
            /// - Parameters:
            ///   - name: the name in the settings, such as `stdin` or `nfc:auto`.
            ///   - direction: the direction of its taps.
            package init(_ name: String, _ direction: Direction = .in) {
                self.name = name
                self.direction = direction
            }

            /// The name of the reader that is standard input.
            package static let stdin = "stdin"
        }

        /// The scanner's data folder.
        package var folder: String
        /// The scanner that journals the taps.
        package var scanner: ScannerID
        /// The event's key, from which the tag IDs are derived.
        package var key: EventKey
        /// Name of the configured gate; `nil` for the scanner's own.
        package var gateName: String?
        /// Form of the verdict lines.
        package var format: VerdictLine.Format
        /// In the order of their indices in `LaneEvent.reader`.
        package var readers: [Reader]
        /// Whether this is a roaming check, which changes neither presence nor turnstile.
        package var isInspection = false
        /// Time to pass after an admission, in milliseconds; `nil` without a passage sensor.
        package var passageMs: Int64?
        /// Whether there is a turnstile, for `gate.json`.
        package var hasTurnstile = false
        /// Days after which uploaded scans are pruned.
        package var keepDays = Journal.keepDaysDefault

        /// Debounce window of a reader in milliseconds, if the gate's policy sets none.
        static let defaultDebounceMs = 2_000
        /// Default of `passageMs`: enough for a person with a suitcase.
        package static let defaultPassageMs = 5_000
        /// Use of the disk from which on an alarm is raised, in percent.
        package static let diskAlarmPercent = GateState.diskAlarmPercent

        /// Creates the settings of a lane. The caller sets the other fields.
        ///
        /// - Parameters:
        ///   - folder: the scanner's data folder.
        ///   - scanner: the scanner that journals the taps.
        ///   - key: the event's key, from which the tag IDs are derived.
        ///   - gateName: name of the configured gate; `nil` for the scanner's own.
        ///   - format: form of the verdict lines.
        ///   - readers: the sources of taps, in the order of their indices.
        package init(
            folder: String, scanner: ScannerID, key: EventKey, gateName: String? = nil,
            format: VerdictLine.Format = .text, readers: [Reader] = [Reader(Reader.stdin)]
        ) {
            self.folder = folder
            self.scanner = scanner
            self.key = key
            self.gateName = gateName
            self.format = format
            self.readers = readers
        }

        /// Compares the event key with the snapshots in the data folder.
        ///
        /// - Parameter allowsOlder: whether an older installed snapshot of this key is enough. The lane then opens with
        ///   it and raises an alarm.
        /// - Throws: `LaneError.keyDiffers` if the current snapshot was made with another key.
        package func requireMatchingKey(allowsOlder: Bool) throws {
            let store = SnapshotStore(folder: DataFolderPaths.snapshots(folder))
            guard let current = store.current().flatMap({ try? Snapshot(path: $0) }),
                let wanted = current.keyFingerprint, current.isOfOtherKey(than: key.fingerprint)
            else { return }
            if allowsOlder, store.hasSnapshot(of: key.fingerprint) { return }
            throw LaneError.keyDiffers(given: key.fingerprint, snapshot: wanted, version: current.version)
        }

        /// Looks the configured gate up in the current snapshot, otherwise the scanner's own, unless one is assigned.
        ///
        /// A lane does not need it at the start: it has no gate until a snapshot with this one is installed.
        ///
        /// - Throws: `LaneError.gateUnknown` or `LaneError.noOwnGate` if the current snapshot can be opened and does not
        ///   have it.
        package func requireKnownGate() throws {
            let store = SnapshotStore(folder: DataFolderPaths.snapshots(folder))
            guard let snapshot = store.current().flatMap({ try? Snapshot(path: $0) }) else { return }
            let names = snapshot.gates.values.map(\.name).sorted()
            if let gateName {
                guard !names.contains(gateName) else { return }
                throw LaneError.gateUnknown(
                    gateName, near: NearestName.matches(gateName, in: names), version: snapshot.version)
            }
            guard (try? PersistedCommands.read(folder: folder))?.assigned == nil,
                case .none(let reason) = GateChoice(snapshot, scanner: scanner, named: nil, previous: nil)
            else { return }
            let scanners = NearestName.matches(scanner.text, in: snapshot.scanners.keys.sorted())
            let gates = LastKnownGate.read(folder: folder).map { NearestName.matches($0.name, in: names) } ?? []
            throw LaneError.noOwnGate(
                scanner, reason, nearScanners: reason == .unknownScanner ? scanners : [],
                gates: gates.isEmpty ? names : gates, version: snapshot.version)
        }

        /// Index of standard input in `readers`; `nil` if it is not a reader.
        var stdin: Int? { readers.firstIndex { $0.name == Reader.stdin } }
    }
}
