import Crypto
import FoundationEssentials
import Runtime
import Support
import Testing

@testable import Readers

/// Every AES row of a file of published vectors, where TAPLINE_TEST_VECTORS names one or it lies beside the project. The main rows
/// are restated in `SecureMessageTests`, which needs no file.
@Suite struct SecureMessageVectorTests {
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

    static let path: String? = {
        let project = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let above = project.split(separator: "/").dropLast().joined(separator: "/")
        let candidates = [
            Environment.value("TAPLINE_TEST_VECTORS"), "/" + above + "/shared/vectors/an12196-ntag424.json",
        ]
        return candidates.compactMap(\.self).first(where: Files.exists)
    }()

    @Test(.enabled(if: path != nil, "no file of vectors")) func everyAESRow() throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let data = Data(try Files.read(try #require(Self.path)))
        let vectors = try decoder.decode(Vectors.self, from: data)
        let messages = vectors.sunMessages.filter { $0.mode == "AES" }
        #expect(messages.count >= 4 && vectors.plainUidCtr.count >= 2)
        for row in messages {
            // File data without a name of the MAC's parameter: all stands in one.
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
        }
    }
}
