import FileSystem
import Glibc
import TestSupport
import Testing

@testable import Readers

struct SecureMessageKeysTests {
    private static let key = "00112233445566778899AABBCCDDEEFF"
    private static let valid = "meta = \(key)\nfile = \(key)\ndiversify = uid\n"

    private static func error(_ text: String) -> String? {
        do {
            _ = try SecureMessageKeys(text: text)
            return nil
        } catch { return error.description }
    }

    @Test func fileFormatAllowsCommentsAndSpaces() throws {
        let keys = try SecureMessageKeys(
            text: "\n  # bands\r\n meta=\(Self.key.lowercased())\r\nfile =\(Self.key) # master\ndiversify= uid+0102\n")
        #expect(keys.sets.map(\.diversification) == [.uid(system: [1, 2])])
        #expect(Self.error(Self.valid) == nil)
        #expect(Self.error(Self.valid.replacing("uid", with: "no")) == nil)
        #expect(Self.error(String(repeating: Self.valid, count: 4)) == nil)
    }

    @Test(arguments: [
        ("", "1 to 4 key sets"), ("# nothing", "1 to 4 key sets"),
        (String(repeating: valid, count: 5), "1 to 4 key sets"),
        ("meta = \(key)", "are needed in each"), ("file = \(key)\ndiversify = no", "are needed in each"),
        ("meta = \(key)\nfile = \(key)", "are needed in each"),
        ("meta = \(key)00", "line 1: 32 hex digits"), ("meta = ", "line 1: 32 hex digits"),
        ("\nmeta = \(key.dropLast())X", "line 2: 32 hex digits"),
        ("meta \(key)", "line 1: name = value"), ("salt = \(key)", "line 1: none of"),
        ("file = \(key)\nfile = \(key)", "line 2: file is set twice"),
        ("diversify = yes", "line 1: no, uid, or uid+"), ("diversify = uid+", "line 1: no, uid, or uid+"),
        ("diversify = uid+\(key)\(key)", "line 1: no, uid, or uid+"),
    ])
    func errorNamesLineAndProblem(text: String, message: String) throws {
        let error = try #require(Self.error(text))
        #expect(error.contains(message))
        // An error never contains a key, not even an invalid one.
        #expect(!error.contains("00112233"))
    }

    @Test func onlyPrivateFileIsAccepted() throws {
        let folder = TemporaryFolder("keys")
        let path = folder.file("tags.keys")
        try Files.writeAtomically(Self.valid.utf8, to: path, mode: 0o600)
        #expect(try SecureMessageKeys(contentsOf: path).sets.count == 1)
        #expect(chmod(path, 0o400) == 0)
        #expect(try SecureMessageKeys(contentsOf: path).sets.count == 1)
        for mode: UInt32 in [0o640, 0o604, 0o610, 0o660, 0o644] {
            #expect(chmod(path, mode) == 0)
            #expect(throws: SecureMessageKeysError.self) { try SecureMessageKeys(contentsOf: path) }
        }
        #expect(throws: SecureMessageKeysError.self) { try SecureMessageKeys(contentsOf: folder.file("none")) }
        try Files.writeAtomically([UInt8](repeating: 10, count: 20_000), to: path, mode: 0o600)
        #expect(throws: SecureMessageKeysError.self) { try SecureMessageKeys(contentsOf: path) }
    }

    /// The owner of a file of another user could change it while the gate runs. Only root can create such a file here.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func fileOfOtherUserIsRejected() throws {
        let folder = TemporaryFolder("keys")
        let path = folder.file("tags.keys")
        try Files.writeAtomically(Self.valid.utf8, to: path, mode: 0o600)
        #expect(chown(path, 12_345, 12_345) == 0)
        #expect(throws: SecureMessageKeysError.self) { try SecureMessageKeys(contentsOf: path) }
    }
}
