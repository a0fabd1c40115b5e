import FuzzDriver

@testable import DeviceEmulation

/// Frames of the PN532, as the emulated reader parses them. The frames that a real reader sends are parsed by libnfc.
@main enum FuzzPN532 {
    static func main() {
        fuzz { bytes in
            var buffer = bytes
            var frames: [PN532Frame] = []
            while let frame = PN532Frame.next(&buffer) { frames.append(frame) }
            precondition(buffer.count <= bytes.count && frames.count <= bytes.count)
            // The same frames, whatever the pieces in which they arrive.
            var pieces: [PN532Frame] = []
            buffer = []
            for byte in bytes {
                buffer.append(byte)
                while let frame = PN532Frame.next(&buffer) { pieces.append(frame) }
            }
            precondition(frames == pieces, "\(frames) instead of \(pieces)")
        }
    }
}
