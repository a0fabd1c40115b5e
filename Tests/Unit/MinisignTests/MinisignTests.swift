import FileSystem
import Glibc
import Minisign
import TestSupport
import Testing

@testable import ErrorModel
@testable import Snapshots

/// Compares with the minisign program of Debian in both directions.
@Suite struct MinisignTests {
    let folder = TemporaryFolder("minisign")

    /// The exit code of `minisign`.
    private func minisign(_ arguments: String..., input: String = "") throws -> ChildProcess.End {
        let child = try ChildProcess(
            "minisign", arguments, output: .file(folder.file("output")), errors: folder.file("errors"))
        if !input.isEmpty { try child.write(input) }
        child.closeInput()
        return try child.wait(withinMs: 120_000)
    }

    private func write(_ text: String, _ name: String) throws -> String {
        try Files.writeAtomically(Array(text.utf8), to: folder.file(name), mode: 0o600)
        return folder.file(name)
    }

    @Test func minisignVerifiesOurSignature() throws {
        let key = try MinisignSecretKey.generate()
        let message = try write("{\"version\": 1}\n", "manifest.json")
        let signature = try MinisignSignature.file(
            signing: Files.read(message), with: key, trustedComment: "tapline snapshot 1 of Campfire")
        try Files.writeAtomically(signature, to: message + ".minisig")
        let pub = try write(key.publicKey.file, "our.pub")
        #expect(try minisign("-V", "-m", message, "-P", key.publicKey.base64) == .exit(0))
        #expect(try minisign("-V", "-H", "-m", message, "-p", pub) == .exit(0))
        try Files.writeAtomically(Array("{\"version\": 2}\n".utf8), to: message)
        #expect(try minisign("-V", "-m", message, "-P", key.publicKey.base64) == .exit(1))
    }

    @Test(arguments: [[], ["-l"]])
    func minisignSignaturesAreValid(flags: [String]) throws {
        let (secret, pub) = (folder.file("s.key"), folder.file("s.pub"))
        #expect(try minisign("-G", "-W", "-s", secret, "-p", pub) == .exit(0))
        let message = try write("a manifest", "m")
        let child = try ChildProcess("minisign", ["-S", "-s", secret, "-m", message, "-t", "kept"] + flags)
        #expect(try child.wait() == .exit(0))
        let key = try MinisignPublicKey(setting: pub)
        let signature = try #require(MinisignSignature(file: Files.read(message + ".minisig")))
        #expect(signature.trustedComment == "kept")
        #expect(signature.isValid(for: Array("a manifest".utf8), by: key))
        #expect(!signature.isValid(for: Array("a manifesT".utf8), by: key))
        // The trusted comment is signed as well.
        let text = try Files.readText(message + ".minisig")
        let forged = text.replacing("trusted comment: kept", with: "trusted comment: bent")
        #expect(
            try #require(MinisignSignature(file: Array(forged.utf8))).isValid(for: Array("a manifest".utf8), by: key)
                == false)
    }

    @Test func plainMinisignKeyLoads() throws {
        let (secret, pub) = (folder.file("s.key"), folder.file("s.pub"))
        #expect(try minisign("-G", "-W", "-s", secret, "-p", pub) == .exit(0))
        chmod(secret, 0o600)
        #expect(try MinisignSecretKey(path: secret).publicKey == MinisignPublicKey(setting: pub))
    }

    /// A key of minisign 0.11 with the password `pw`. Generating one would take a minute on a busy machine. Loading it
    /// needs 1 GiB of memory for a few seconds, a parameter of minisign.
    @Test func encryptedMinisignKeyLoads() throws {
        let text = """
            untrusted comment: minisign encrypted secret key
            RWRTY0IybJejAQhw+bzc8h1IMX3/035wf4YNSkYuZxHSP1orJ5QAAAACAAAAAAAAAEAAAAAAFREJW2XPYsp2arPEWVkDsh+5oY0GjwRx\
            31+LgjXDlmR3JO5VJ96oLNUrrM7uoyoc4G2i2QRmcFZI123ewlanlNXcU+0AiratvK2UzjWX2cK3kasIY8DhlqJU9Z2YkK1xyPkyYSBBCbw=

            """
        let key = try MinisignSecretKey(file: text, password: "pw")
        #expect(key.publicKey.base64 == "RWSZqxEXW1A/yOcinRNJT2YrS8z8j3EIY1pVC39SvT/HsMt7wWrRd33u")
        #expect(throws: MinisignKeyError.passwordNeeded) { try MinisignSecretKey(file: text) }
    }

    @Test(arguments: [nil, "open sesame"])
    func minisignLoadsOurKeys(password: String?) throws {
        let key = try MinisignSecretKey.generate()
        let secret = try write(key.file(password: password), "our.key")
        let message = try write("text", "m")
        #expect(
            try minisign("-S", "-s", secret, "-m", message, input: password.map { $0 + "\n" } ?? "") == .exit(0))
        let signature = try #require(MinisignSignature(file: Files.read(message + ".minisig")))
        #expect(signature.isValid(for: Array("text".utf8), by: key.publicKey))
        // minisign derives the public key from the secret key.
        let again = folder.file("again.pub")
        #expect(try minisign("-R", "-s", secret, "-p", again, input: password.map { $0 + "\n" } ?? "") == .exit(0))
        #expect(try MinisignPublicKey(setting: again) == key.publicKey)
        #expect(try MinisignSecretKey(path: secret, password: password).publicKey == key.publicKey)
    }

    @Test func wrongOrMissingPasswordIsRejected() throws {
        let text = try MinisignSecretKey.generate().file(password: "right")
        #expect(throws: MinisignKeyError.passwordNeeded) { try MinisignSecretKey(file: text) }
        #expect(throws: MinisignKeyError.wrongPassword) { try MinisignSecretKey(file: text, password: "wrong") }
        #expect(throws: MinisignKeyError.wrongPassword) { try MinisignSecretKey(file: text, password: "") }
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o660, 0o606] as [UInt32])
    func secretKeyReadableByOthersIsRejected(mode: UInt32) throws {
        let secret = try write(MinisignSecretKey.generate().file(), "our.key")
        chmod(secret, mode)
        let error = #expect(throws: SigningKeyError.self) { try MinisignSecretKey(path: secret) }
        #expect(error?.category == .configuration)
        #expect(error?.description.contains("chmod 600") == true)
    }

    @Test func trustKeysLoadFromTextAndFile() throws {
        let key = try MinisignSecretKey.generate().publicKey
        #expect(try MinisignPublicKey(setting: key.base64) == key)
        #expect(try MinisignPublicKey(setting: write(key.file, "k.pub")) == key)
        #expect(try MinisignPublicKey(setting: write(key.base64 + "\n", "line.pub")) == key)
        for bad in ["", "RWQ", "/nowhere/k.pub", try write("", "empty"), try write("x\ny\nz\n", "three")] {
            #expect(throws: SigningKeyError.self) { try MinisignPublicKey(setting: bad) }
        }
    }

    @Test func invalidKeyFilesAreRejected() throws {
        let text = try MinisignSecretKey.generate().file()
        for bad in ["", "one line\n", "comment\n!!!!\n", String(text.dropLast(8)) + "\n", text + "more\n"] {
            #expect(throws: MinisignKeyError.malformed) { try MinisignSecretKey(file: bad) }
        }
    }
}
