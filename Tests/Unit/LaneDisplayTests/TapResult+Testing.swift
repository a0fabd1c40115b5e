import GateController
import ScanModel
import Snapshots

/// A journaled tap, with seq 7 at 2027-01-15T08:00:00Z.
func result(
    _ verdict: Verdict = .admitted, _ flags: Flags = [], zone: String? = "Arena", pass: Pass? = nil,
    detail: TapDetail? = nil, opens: Bool = false
) -> TapResult {
    TapResult(
        journalID: JournalID(high: 1, low: 2),
        scan: Scan(
            seq: 7, atMs: 1_800_000_000_000, tag: TagID(rawValue: 42), verdict: verdict, flags: flags, gate: 1,
            snapshot: 3), zone: zone, pass: pass, detail: detail, opens: opens)
}
