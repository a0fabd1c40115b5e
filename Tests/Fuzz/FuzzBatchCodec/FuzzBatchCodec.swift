import FuzzDriver
import ScanBatchCodec

/// Batches from the broker. What decodes is encoded to bytes that decode to the same batch.
@main enum FuzzBatchCodec {
    static func main() {
        fuzz { bytes in
            guard let batch = try? ScanBatch(decoding: bytes) else { return }
            for index in 0..<batch.count { _ = batch.time(index) }
            let again = batch.encoded()
            guard let same = try? ScanBatch(decoding: again) else { fatalError("not decoded: \(again)") }
            precondition(same == batch, "\(same) instead of \(batch)")
        }
    }
}
