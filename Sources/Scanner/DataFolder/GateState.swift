import FileSystem
import FoundationEssentials
package import ScanModel

/// `gate.json`: the state of the gate that runs or ran last, for `status` and the fleet view.
///
/// The file is replaced as a whole. It is not durable, because the next start writes it again.
///
/// Written by the gate; read by the publisher for heartbeats and by both `status` commands. The reader may be older or
/// newer than the writer: a field that is missing or of another type is ignored, except `pid` and `scanner`. A file
/// without these is invalid.
package struct GateState: Hashable, Sendable {
    /// One reader of the lane.
    package struct Reader: Hashable, Sendable, Codable {
        /// The name in the settings.
        package var name: String
        /// `in` or `out`.
        package var direction: String
        /// `nil` if the reader works.
        package var problem: String?

        /// Creates the state of one reader.
        ///
        /// - Parameters:
        ///   - name: the name in the settings, such as `nfc:auto`.
        ///   - direction: the direction of its taps.
        ///   - problem: English text; `nil` if the reader works.
        package init(name: String, direction: Direction, problem: String? = nil) {
            self.name = name
            self.direction = direction.rawValue
            self.problem = problem
        }
    }

    /// Use of the disk from which on an alarm is raised, in percent.
    package static let diskAlarmPercent = 80

    /// Returns what is wrong with the disk of a data folder, as it is now; `nil` if it has space.
    ///
    /// A gate cannot write its state to a full disk, so its readers look themselves.
    package static func diskFault(folder: String) -> String? {
        guard let percent = Files.usedPercent(folder), percent >= diskAlarmPercent else { return nil }
        return "disk \(percent) % full"
    }

    /// Process ID of the gate.
    package var pid: Int32
    /// ID of its scanner.
    package var scanner: String
    /// ID of its journal.
    package var journal: String
    /// The readers with their problems: `stdin`, or `nfc:auto, serial:/dev/ttyACM0 (unplugged)`.
    package var reader: String
    /// Version of its program.
    package var software: String
    /// Device clock at its start, in seconds since 1970-01-01 UTC.
    package var startedS: Int64
    /// ID of its gate; `nil` without one, and then `problem` has the reason.
    package var gate: Int64?
    /// Name of its gate; `nil` without one.
    package var gateName: String?
    /// Name of the zone into which the gate admits; `nil` if it is not known.
    package var zone: String?
    /// Why the lane has no gate; `nil` if it has one.
    package var problem: String?
    /// Version of the snapshot in use; 0 without one, `nil` if the file does not contain it.
    package var snapshot: Int64?
    /// Seconds since 1970-01-01 UTC; `nil` without a snapshot.
    package var snapshotExpiresS: Int64?
    /// `ok`, or its problem; `nil` without a turnstile.
    package var turnstile: String?
    /// `normal`, `free`, `closed`; `inspection` for a roaming check.
    package var mode: String?
    /// The readers of the lane, in the order of the settings; `nil` if the file does not contain them.
    package var readers: [Reader]?
    /// Use of the disk with the data folder, in percent.
    package var diskUsedPercent: Int?
    /// English texts of the alarms, the most serious first.
    package var alarms: [String]?
    /// The stable keyword of each alarm, in the same order; `nil` if the file does not contain them.
    package var alarmKeywords: [String]?
    /// Number of reads that the readers dropped since the start, because they held no tag.
    package var droppedReads: Int64?
    /// Why the last of them was dropped, in English; `nil` without one.
    package var lastDroppedRead: String?

    /// Creates the state of a gate at its start. The caller sets the optional fields.
    ///
    /// - Parameters:
    ///   - pid: process ID of the gate.
    ///   - scanner: ID of its scanner.
    ///   - journal: ID of its journal; empty while a damaged journal cannot be replaced.
    ///   - reader: the readers with their problems, as one text.
    ///   - software: version of its program.
    ///   - startedS: device clock at its start, in seconds since 1970-01-01 UTC.
    ///   - snapshot: version of the snapshot in use; 0 without one.
    package init(
        pid: Int32, scanner: String, journal: String, reader: String, software: String, startedS: Int64, snapshot: Int64
    ) {
        self.pid = pid
        self.scanner = scanner
        self.journal = journal
        self.reader = reader
        self.software = software
        self.startedS = startedS
        self.snapshot = snapshot
    }

    /// Reads the file; `nil` if it is missing or invalid.
    package static func read(folder: String) -> GateState? {
        guard let bytes = try? Files.read(DataFolderPaths.gateState(folder), limit: 65_536) else { return nil }
        return try? JSONDecoder().decode(GateState.self, from: Data(bytes))
    }

    /// Writes the file.
    ///
    /// - Throws: `SystemError`.
    package func write(folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try Files.writeAtomically(
            [UInt8](try encoder.encode(self)), to: DataFolderPaths.gateState(folder), durable: false)
    }

    /// Removes the temporary files of a gate that was killed while it wrote its state or a beat.
    package static func removeLeftovers(folder: String) {
        let prefixes = [DataFolderPaths.gateState(folder), DataFolderPaths.gateBeat(folder)].map {
            Files.name(of: $0) + ".tmp-"
        }
        for name in (try? Files.list(folder)) ?? [] where prefixes.contains(where: name.hasPrefix) {
            try? Files.remove(folder + "/" + name)
        }
    }
}

extension GateState {
    /// What is wrong with the readers and the turnstile, in plain English.
    package var deviceFaults: [String] {
        var faults = (readers ?? []).compactMap { reader in
            reader.problem.map { "reader \(reader.name) (\(reader.direction)): \($0)" }
        }
        if let turnstile, turnstile != "ok" { faults.append("turnstile: \(turnstile)") }
        return faults
    }
}

extension GateState: Codable {
    private enum CodingKeys: String, CodingKey {
        case pid, scanner, journal, reader, software, startedS, gate, gateName, zone, problem, snapshot,
            snapshotExpiresS
        case turnstile, mode, readers, diskUsedPercent, alarms, alarmKeywords, droppedReads, lastDroppedRead
    }

    /// Decodes the file. A field that is missing or of another type reads as absent, except `pid` and `scanner`.
    ///
    /// - Throws: `DecodingError` without a valid `pid` or `scanner`.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func value<Value: Decodable>(_ key: CodingKeys) -> Value? {
            (try? values.decodeIfPresent(Value.self, forKey: key)) ?? nil
        }
        pid = try values.decode(Int32.self, forKey: .pid)
        scanner = try values.decode(String.self, forKey: .scanner)
        journal = value(.journal) ?? ""
        reader = value(.reader) ?? ""
        software = value(.software) ?? ""
        startedS = value(.startedS) ?? 0
        snapshot = value(.snapshot)
        gate = value(.gate)
        gateName = value(.gateName)
        zone = value(.zone)
        problem = value(.problem)
        snapshotExpiresS = value(.snapshotExpiresS)
        turnstile = value(.turnstile)
        mode = value(.mode)
        readers = value(.readers)
        diskUsedPercent = value(.diskUsedPercent)
        alarms = value(.alarms)
        alarmKeywords = value(.alarmKeywords)
        droppedReads = value(.droppedReads)
        lastDroppedRead = value(.lastDroppedRead)
    }
}
