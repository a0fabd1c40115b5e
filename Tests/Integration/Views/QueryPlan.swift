import Postgres
import Testing

/// What `EXPLAIN (ANALYZE, BUFFERS)` says of a query.
struct QueryPlan {
    let lines: [String]
    /// Sum of the rows of all nodes that unnest runs.
    let unnested: Int
    /// Blocks that the whole query reads.
    let blocks: Int
}

extension IngestFixture {
    /// Runs a query twice, because the first run plans and reads the catalog. Returns the plan of the second.
    func explain(_ sql: String) throws -> QueryPlan {
        try connection.query(sql)
        let lines = try texts("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) \(sql)")
        func numbers(_ line: String, _ prefixes: String...) -> [Int] {
            line.split { " (),".contains($0) }.compactMap { word in
                prefixes.first { word.hasPrefix($0) }.flatMap { Int(word.dropFirst($0.count)) }
            }
        }
        let sets = lines.filter { $0.contains("ProjectSet") }
        let first = try #require(lines.first { $0.contains("Buffers: shared") })
        return QueryPlan(
            lines: lines, unnested: sets.reduce(0) { $0 + (numbers($1, "rows=").first ?? 0) },
            blocks: numbers(first, "hit=", "read=").reduce(0, +))
    }

    /// Returns the rows that a query reads of each partition of the scans, also within functions.
    func rowsRead(_ sql: String) throws -> [String: Int64] {
        let counts = """
            SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_all_tables
            WHERE schemaname = 'tapline_partitions'
            """
        func read() throws -> [String: Int64] {
            let rows = try connection.query(counts)
            return Dictionary(uniqueKeysWithValues: (0..<rows.rowCount).map { (rows.text($0, 0), rows.int($0, 1)) })
        }
        try connection.execute("BEGIN")
        let before = try read()
        try connection.query(sql)
        let after = try read()
        try connection.execute("COMMIT")
        return after.merging(before) { $0 - $1 }.filter { $0.value > 0 }
    }
}
