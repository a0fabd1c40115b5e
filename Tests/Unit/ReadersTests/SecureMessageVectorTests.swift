import Crypto
import FoundationEssentials
import TestSupport
import Testing

@testable import Readers

/// The published AES messages of NTAG 424 DNA chips (NXP AN12196).
struct SecureMessageVectorTests {
    private struct Vectors: Decodable {
        struct Message: Decodable {
            let name, mode: String
            let metaKey, fileKey, piccEnc, mac: String
            let encFile: String?
            let macParam: String
            let uid: String
            let ctr: Int64
            let fileData: String?
            let valid: Bool
        }
        struct Plain: Decodable {
            let name, fileKey, uid, ctrBeHex, mac: String
            let valid: Bool
        }
        let sunMessages: [Message]
        let plainUidCtr: [Plain]
    }

    /// From NXP AN12196 (pages 12 and 18, the plain mirror), and one message with other keys from icedevml/sdm-backend
    /// (MIT).
    private static let vectors = """
        {"sun_messages": [
        {"name": "an12196_p12", "mode": "AES", "meta_key": "00000000000000000000000000000000",
        "file_key": "00000000000000000000000000000000", "picc_enc": "EF963FF7828658A599F3041510671E88",
        "mac": "94EED9EE65337086", "enc_file": null, "mac_param": "", "uid": "04DE5F1EACC040", "ctr": 61,
        "file_data": null, "valid": true},
        {"name": "an12196_p18", "mode": "AES", "meta_key": "00000000000000000000000000000000",
        "file_key": "00000000000000000000000000000000", "picc_enc": "FD91EC264309878BE6345CBE53BADF40",
        "mac": "ECC1E7F6C6C73BF6", "enc_file": "CEE9A53E3E463EF1F459635736738962", "mac_param": "cmac",
        "uid": "04958CAA5C5E80", "ctr": 8, "file_data": "78787878787878787878787878787878", "valid": true},
        {"name": "custom_keys", "mode": "AES", "meta_key": "42aff114f2cb3b6141be6dc95dfc5416",
        "file_key": "b62a9baf092439bd43c62aee96b970c5", "picc_enc": "8ACADDEF0A9B62CDAE39A16B83FC14DE",
        "mac": "238B2543A8DEBAD8", "enc_file": "B8436E11F627BB7F543FCC0C1E0D1A89", "mac_param": "",
        "uid": "041d3c8a2d6b80", "ctr": 291, "file_data": "4e545858716e6f5f6f42467077792d56", "valid": true},
        {"name": "an12196_p18_wrong_mac", "mode": "AES", "meta_key": "00000000000000000000000000000000",
        "file_key": "00000000000000000000000000000000", "picc_enc": "FD91EC264309878BE6345CBE53BADF40",
        "mac": "3CC1E7F6C6C33B33", "enc_file": "CEE9A53E3E463EF1F459635736738962", "mac_param": "cmac",
        "uid": "04958CAA5C5E80", "ctr": 8, "file_data": null, "valid": false}],
        "plain_uid_ctr": [
        {"name": "plain", "file_key": "00000000000000000000000000000000", "uid": "041E3C8A2D6B80",
        "ctr_be_hex": "000006", "mac": "4B00064004B0B3D3", "valid": true},
        {"name": "plain_wrong", "file_key": "00000000000000000000000000000000", "uid": "041E3C8A2D6B80",
        "ctr_be_hex": "000006", "mac": "AB00064004B0B3AB", "valid": false}]}
        """

    @Test func includedVectorsVerify() throws {
        let (messages, plain) = try check(Array(Self.vectors.utf8))
        #expect(messages == 4 && plain == 2)
    }

    /// Returns the number of rows of both kinds.
    private func check(_ json: [UInt8]) throws -> (messages: Int, plain: Int) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let vectors = try decoder.decode(Vectors.self, from: Data(json))
        let messages = vectors.sunMessages.filter { $0.mode == "AES" }
        for row in messages {
            // Without a name for the MAC parameter, one parameter has all parts.
            let file = row.encFile.map { row.macParam.isEmpty ? $0 : "&enc=\($0)" } ?? ""
            let mac = row.macParam.isEmpty && row.encFile != nil ? row.mac : "&cmac=\(row.mac)"
            let query = "picc_data=\(row.piccEnc)\(file)\(mac)"
            let content = SecureMessageTests.content(query, SecureMessageTests.keys(row.metaKey, row.fileKey))
            #expect((content != nil) == row.valid, "\(row.name)")
            guard let content else { continue }
            #expect(Hex.encode(content.uid) == row.uid.lowercased(), "\(row.name)")
            #expect(content.counter == row.ctr, "\(row.name)")
            #expect(Hex.encode(content.fileData) == (row.fileData ?? "").lowercased(), "\(row.name)")
        }
        for row in vectors.plainUidCtr {
            let query = "uid=\(row.uid)&ctr=\(row.ctrBeHex)&cmac=\(row.mac)"
            let content = SecureMessageTests.content(
                query, SecureMessageTests.keys(SecureMessageTests.zero, row.fileKey))
            #expect((content != nil) == row.valid, "\(row.name)")
            guard let content else { continue }
            #expect(Hex.encode(content.uid) == row.uid.lowercased(), "\(row.name)")
        }
        return (messages.count, vectors.plainUidCtr.count)
    }
}
