import ScanModel
import Testing

/// Values computed with Python: `int.from_bytes(hmac.digest(key, identity, "sha256")[:8], "big", signed=True)`.
struct TagIDTests {
    private static let uid: [UInt8] = [0x04, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0x80]
    private static let counting = (0..<32).map { UInt8($0) }
    private static let ones = [UInt8](repeating: 0xff, count: 32)

    @Test(
        arguments: [
            (.uid(uid), counting, -8_648_578_901_252_901_488),
            (.uid([0xde, 0xad, 0xbe, 0xef]), counting, 5_767_883_473_117_450_486),
            (.sun(uid), counting, 5_822_992_418_690_475_324),
            (.code("TICKET-0001"), counting, -8_157_119_390_585_785_285),
            (.code("Zürich"), counting, -7_266_176_386_865_847_691),
            (.uid([]), counting, -3_203_394_101_684_669_345), (.uid(uid), ones, 39_359_342_294_765_346),
            (.sun(uid), ones, 229_158_269_700_532_933), (.code("TICKET-0001"), ones, -1_426_078_832_608_218_571),
        ] as [(TagIdentity, [UInt8], Int64)])
    func tagIDsMatchVectors(identity: TagIdentity, key: [UInt8], expected: Int64) throws {
        let key = try #require(EventKey(key))
        #expect(key.tagID(of: identity).rawValue == expected)
        // The key has no state.
        #expect(key.tagID(of: identity).rawValue == expected)
    }

    @Test func eventKeyRequires32Bytes() {
        for count in [0, 16, 31, 33, 64] { #expect(EventKey([UInt8](repeating: 1, count: count)) == nil) }
    }

    @Test func authenticChipAndItsPlainUIDAreDifferentTags() throws {
        let key = try #require(EventKey(TagIDTests.counting))
        #expect(key.tagID(of: .uid(TagIDTests.uid)) != key.tagID(of: .sun(TagIDTests.uid)))
    }
}
