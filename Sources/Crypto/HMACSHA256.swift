/// HMAC-SHA-256 (RFC 2104, FIPS 180-4).
public struct HMACSHA256: Sendable {
    private let key: [UInt8]
    public init(key: [UInt8]) { self.key = key }

    /// 32 bytes.
    public func authenticate(_ message: [UInt8]) -> [UInt8] { fatalError("owner: Crypto") }
}
