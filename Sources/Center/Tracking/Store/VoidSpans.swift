import Postgres
import ScanRuns

/// The spans in which scans of some scanners are void (`tapline_internal.void_spans`). Void scans are not tracked.
///
/// A scan is void by its receipt, because the thief sets the clock of the device.
struct VoidSpans {
    /// Receipts in microseconds since 1970-01-01 UTC, by scanner.
    private let spans: [String: [Range<Int64>]]

    init(spans: [String: [Range<Int64>]]) { self.spans = spans }

    /// Reads the spans of these scanners.
    init(_ connection: PostgresConnection, scanners: Set<String>) throws(PostgresError) {
        let result = try connection.query(
            """
            SELECT scanner_id, CASE WHEN isfinite(since) THEN since END, CASE WHEN isfinite(until) THEN until END
            FROM tapline_internal.void_spans WHERE scanner_id = ANY ($1)
            """, [.texts(scanners.sorted())], binary: true)
        var spans: [String: [Range<Int64>]] = [:]
        for row in 0..<result.rowCount {
            let since = result.optionalMicroseconds(row, 1) ?? .min
            spans[result.text(row, 0), default: []].append(since..<(result.optionalMicroseconds(row, 2) ?? .max))
        }
        self.spans = spans
    }

    /// Returns the scans that are not void: runs without void scans as they are, and the other parts of the rest.
    func valid(_ runs: [StoredScans]) -> [StoredScans] {
        if spans.isEmpty { return runs }
        return runs.flatMap { run -> [StoredScans] in
            guard let spans = spans[run.scanner] else { return [run] }
            var parts: [Range<Int>] = []
            for offset in 0..<run.count {
                let received = run.receivedMicros(offset)
                if spans.contains(where: { $0.contains(received) }) { continue }
                if let last = parts.last, last.upperBound == offset {
                    parts[parts.count - 1] = last.lowerBound..<offset + 1
                } else {
                    parts.append(offset..<offset + 1)
                }
            }
            return parts.count == 1 && parts[0].count == run.count ? [run] : parts.map { run.part($0) }
        }
    }
}
