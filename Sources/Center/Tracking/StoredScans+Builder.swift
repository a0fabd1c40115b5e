import ScanModel

extension StoredScans {
    /// Puts rows of the database together again as runs: scans that follow each other in one journal, with one gate and one
    /// time of receipt. When they were stored is not known, so all are taken for filled in behind others.
    struct Builder {
        private var runs: [StoredScans] = []
        private var open: StoredScans?
        private var columns: (atMs: [Int32], tags: [Int64], verdicts: [UInt8], flags: [UInt8]) = ([], [], [], [])

        mutating func add(
            journal: Int64, seq: Int64, tag: Int64, atMicros: Int64, verdict: UInt8, flags: UInt8, gate: Int64?,
            receivedMicros: Int64, scanner: @autoclosure () -> String, log: @autoclosure () -> JournalID
        ) {
            if let open, open.journal == journal, open.first + Int64(columns.tags.count) == seq, open.gate == gate,
                open.receivedMicros == receivedMicros, let atMs = Int32(exactly: (atMicros - open.baseMicros) / 1_000)
            {
                columns.atMs.append(atMs)
            } else {
                close()
                open = StoredScans(
                    journal: journal, scanner: scanner(), log: log(), first: seq, baseMicros: atMicros, atMs: [],
                    tags: [], verdicts: [], flags: [], gate: gate, receivedMicros: receivedMicros, isBehind: true)
                columns.atMs.append(0)
            }
            columns.tags.append(tag)
            columns.verdicts.append(verdict)
            columns.flags.append(flags)
        }

        mutating func finish() -> [StoredScans] {
            close()
            return runs
        }

        private mutating func close() {
            guard var run = open else { return }
            (run.atMs, run.tags) = (columns.atMs[...], columns.tags[...])
            (run.verdicts, run.flags) = (columns.verdicts[...], columns.flags[...])
            runs.append(run)
            (open, columns) = (nil, ([], [], [], []))
        }
    }
}
