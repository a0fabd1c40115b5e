/// Limits of a JSON text, checked before it is decoded. The decoder takes about 30 bytes for each name and each value,
/// also where a value has one byte.
enum JSONLimits {
    /// Maximum depth of objects and arrays. An answer of pretix has less than ten levels.
    static let depth = 32
    /// Maximum number of names and values. A file of the maximum size has about half as many: an order position has a
    /// hundred in some kilobytes.
    static let values = 8_000_000

    /// Returns what is over the limits, as a sentence without a full stop; `nil` if nothing is. Accepts invalid JSON.
    static func problem(_ bytes: [UInt8]) -> String? {
        var (depthNow, count) = (0, 1)
        var isText = false
        var isEscaped = false
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                (depthNow, count) = (depthNow + 1, count + 1)
                if depthNow > depth { return "objects or arrays of more than \(depth) levels" }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depthNow -= 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): count += 1
            default: break
            }
            if count > values { return "more than \(values) names and values: give the pages as several files" }
        }
        return nil
    }
}
