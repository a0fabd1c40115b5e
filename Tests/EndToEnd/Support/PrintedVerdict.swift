import FoundationEssentials
import TestSupport

/// One line of `tapline-gate --output json` (contract.md section 8).
struct PrintedVerdict: Decodable, Hashable {
    let log: String
    let seq: Int64
    let verdict: Int
    let name: String
    let tag: TagText
    let at: String

    /// A tag ID, which may be printed as a number or as text.
    struct TagText: Decodable, Hashable {
        let text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            text = try (try? value.decode(String.self)) ?? String(value.decode(Int64.self))
        }
    }

    init(_ line: String) throws {
        do {
            self = try JSONDecoder().decode(PrintedVerdict.self, from: Data(line.utf8))
        } catch {
            throw TestFailure("not a verdict of contract.md section 8: \(line): \(error)")
        }
    }

    /// The scan in the format of `SystemUnderTest.storedVerdicts`.
    var key: String { "\(log)|\(seq)|\(verdict)|\(tag.text)" }
}

extension SystemUnderTest {
    /// Every stored scan as `log|seq|verdict|tag`.
    func storedVerdicts() throws -> [String] {
        try database.query(
            "SELECT log, seq, verdict, tag_id FROM tapline.scans JOIN tapline.journals ON journals.id = journal_id")
    }

    /// The keys that occur more than once.
    private func repeated(_ keys: [String]) -> [String] {
        var seen: Set<String> = []
        return keys.filter { !seen.insert($0).inserted }
    }

    /// Checks the conditions that hold after any disturbed run.
    ///
    /// - Each printed verdict is stored exactly once.
    /// - The database holds exactly the scans of the journals.
    /// - The counters and the presence in the database agree with the scans.
    ///
    /// - Returns: a description of each violated condition.
    func checkExactlyOnce() throws -> [String] {
        var wrong: [String] = []
        func expectNone(_ what: String, _ rows: [String]) {
            if !rows.isEmpty { wrong.append("\(what): \(rows.count), such as \(rows.prefix(3))") }
        }
        let stored = try storedVerdicts()
        let isStored = Set(stored)
        let printed = try scanners.flatMap { try $0.printed() }.map(\.key)
        expectNone("printed and not stored", printed.filter { !isStored.contains($0) })
        expectNone("stored twice", repeated(stored))
        expectNone("printed twice", repeated(printed))
        let journaled = try journaled()
        if stored.count != journaled {
            wrong.append("journals hold \(journaled) scans, the database \(stored.count)")
        }
        expectNone(
            "journals whose counters do not add up",
            try database.query(
                """
                SELECT scanner_id, log, received, stored, duplicates, conflicts FROM tapline.journals
                WHERE received <> stored + duplicates + conflicts OR conflicts <> 0 OR last_seq <> next_seq - 1
                    OR stored <> (SELECT count(*) FROM tapline.scans WHERE journal_id = journals.id)
                """))
        expectNone("gaps", try database.query("SELECT * FROM tapline.seq_gaps"))
        expectNone("quarantined", try database.query("SELECT reason, detail FROM tapline.quarantine"))
        expectNone(
            "tags whose presence is not their last admitted scan",
            try database.query(
                """
                WITH last AS (
                    SELECT DISTINCT ON (tag_id) tag_id, scanner_id, scanned_at,
                        CASE WHEN flags & 1 = 0 THEN zone_id ELSE from_zone_id END AS zone_id
                    FROM tapline.scans JOIN tapline.journals ON journals.id = journal_id
                        JOIN tapline.gates ON gates.id = scans.gate_id
                    WHERE verdict = 0 AND flags & 16 = 0
                    ORDER BY tag_id, least(scanned_at, received_at) DESC, log DESC, seq DESC)
                SELECT tag_id, last.zone_id, presence.zone_id FROM last FULL JOIN tapline.presence USING (tag_id)
                WHERE (last.zone_id, last.scanner_id) IS DISTINCT FROM (presence.zone_id, presence.scanner_id)
                """))
        return wrong
    }
}
