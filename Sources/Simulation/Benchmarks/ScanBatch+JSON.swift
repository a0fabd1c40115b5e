import ScanBatchCodec

extension ScanBatch {
    /// The columns as one JSON object, the JSON form that a consumer parses fastest.
    func json() -> [UInt8] {
        func column(_ name: String, _ values: some Sequence<some BinaryInteger>) -> String {
            #","\#(name)":["# + values.map { "\($0)" }.joined(separator: ",") + "]"
        }
        // Scanner ID and journal ID contain no characters that JSON escapes.
        var text = #"{"scanner":"\#(scanner)","log":"\#(journalID)","first":\#(first),"base":\#(baseMicros)"#
        text += #","gate":\#(gate.map { "\($0)" } ?? "null"),"snapshot":\#(snapshot)"#
        text += column("at", atMs) + column("tag", tags) + column("verdict", verdicts) + column("flags", flags)
        return Array((text + "}").utf8)
    }
}
