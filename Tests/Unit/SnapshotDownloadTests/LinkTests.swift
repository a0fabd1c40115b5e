import ErrorModel
import FakeCenter
import FileSystem
import Glibc
import HTTPClient
import HTTPServer
import LinuxSystem
import Snapshots
import TestSupport
import Testing

@testable import SnapshotDownload
@testable import SnapshotInstall

/// Bad links and faulty servers. Received bytes are kept, wrong bytes are discarded, and each transfer is bounded.
@Suite struct LinkTests {
    let center: TestCenter

    init() throws { center = try TestCenter() }

    private func proxied(_ proxy: FaultProxy) -> DownloadFixture {
        DownloadFixture(center, urls: ["http://127.0.0.1:\(proxy.port)"])
    }

    /// Fetches repeatedly, as a publisher does, until `version` is installed.
    ///
    /// - Returns: the number of attempts.
    private func fetch(_ rig: DownloadFixture, _ version: Int64, atMost tries: Int) throws -> Int {
        let download = rig.download()
        for number in 1...tries {
            if (try? download.fetch()) == .installed(version: version) { return number }
        }
        throw TestFailure("not within \(tries) tries: \((try? rig.fetchFailure(download)).map { "\($0)" } ?? "")")
    }

    @Test(arguments: [false, true]) func downloadCompletesOverLinkCutEvery200kB(resets: Bool) throws {
        let manifest = try center.publish(version: 7, people: 80_000)
        let size = Int(try #require(manifest.compressed).size)
        #expect(size > 800_000)
        var link = FaultProxy.Link()
        (link.cutAfterBytes, link.resets) = (200_000, resets)
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = proxied(proxy)
        // A reset discards the bytes in the kernel's buffers.
        let tries = try fetch(rig, 7, atMost: resets ? 60 : size / 190_000 + 2)
        #expect(tries >= size / 200_000)
        #expect(try rig.gateAnswer(1) == (7, .active))
        // Each attempt continued the file of the one before.
        let starts = center.requests.filter { $0.path.hasSuffix(".gz") }.map { request in
            Int((request.headers["range"] ?? "bytes=0-").dropFirst(6).dropLast()) ?? -1
        }
        #expect(starts == starts.sorted() && Set(starts).count > size / 200_000 / 2, "\(starts)")
    }

    /// 16 kbit/s, cut every 20 kB. Runs 32 times as fast unless `TAPLINE_TEST_REAL_LINK` is set.
    @Test func downloadCompletesAt16kbits() throws {
        let factor = getenv("TAPLINE_TEST_REAL_LINK") != nil ? 1 : 32
        let people = 10_000
        let first = try center.publish(version: 7, people: people)
        var link = FaultProxy.Link()
        (link.bytesPerSecond, link.cutAfterBytes) = (2_000 * factor, 20_000)
        let proxy = try FaultProxy(target: center.port, link)
        defer { proxy.end() }
        let rig = proxied(proxy)
        let size = Int(try #require(first.compressed).size)
        #expect(size > 100_000)
        _ = try fetch(rig, 7, atMost: size / 15_000 + 4)
        // A revocation arrives over the same link within two connections.
        try center.publish(version: 8, people: people, lost: [3], deltas: [7])
        _ = try fetch(rig, 8, atMost: 2)
        #expect(try rig.gateAnswer(3) == (8, .lost))
    }

    /// No ETag, no ranges: `python3 -m http.server`.
    @Test func downloadCompletesFromServerWithoutRanges() throws {
        try Files.makeFolder(center.folder.file("web"))
        guard symlink(center.folder.path, center.folder.file("web/snapshot")) == 0 else { throw SystemError("symlink") }
        let server = try ChildProcess(
            "python3",
            ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", center.folder.file("web")],
            errors: center.folder.file("python.log"))
        // "Serving HTTP on 127.0.0.1 port 40001 (http://127.0.0.1:40001/) ..."
        let line = try server.line()
        let words = try #require(line).split(separator: " ")
        let port = try #require(words.firstIndex(of: "port").flatMap { UInt16(words[$0 + 1]) })
        let proxy = try FaultProxy(target: port)
        defer { proxy.end() }
        let rig = proxied(proxy)
        let download = rig.download()
        try center.publish(version: 7, people: 20_000)
        // The transfer is cut twice, and the server has to send the whole file each time.
        for _ in 0..<2 {
            proxy.set { $0.cutAfterBytes = 100_000 }
            #expect(try rig.fetchFailure(download).category == .unavailable)
            #expect(Files.status(rig.store.folder + "/download-7.gz")?.size ?? 0 > 50_000)
        }
        proxy.set { $0.cutAfterBytes = nil }
        #expect(try download.fetch() == .installed(version: 7))
        #expect(try download.fetch() == .newest(version: 7))
        try center.publish(version: 8, people: 20_000, lost: [3], deltas: [7])
        #expect(try download.fetch() == .installed(version: 8))
        #expect(try rig.gateAnswer(3) == (8, .lost))
        #expect(try download.fetch() == .newest(version: 8))
    }

    // MARK: Validators

    /// Downloads from a server that sends the given validators and breaks off its first answer in the middle.
    ///
    /// - Returns: the range headers of the request for the second half.
    private func resume(_ validators: String, knowsRanges: Bool = true) throws -> [String] {
        let manifest = try center.publish(version: 7, people: 3_000)
        let packed = try #require(manifest.compressed).file
        let whole = try center.bytes(packed)
        let small = try [Manifest.fileName, Manifest.signatureFileName].map { ($0, try center.bytes($0)) }
        let half = whole.count / 2
        let server = try RawServer { request in
            for (name, bytes) in small where request.contains("/\(name) ") {
                return .init("HTTP/1.1 200 OK\nContent-Length: \(bytes.count)", bytes)
            }
            let isFirst = !request.contains("Range: bytes=")
            guard !isFirst, knowsRanges else {
                let sent = isFirst ? Array(whole[..<half]) : whole
                return .init("HTTP/1.1 200 OK\nContent-Length: \(whole.count)\n\(validators)", sent)
            }
            return .init(
                "HTTP/1.1 206 Partial Content\nContent-Length: \(whole.count - half)\n"
                    + "Content-Range: bytes \(half)-\(whole.count - 1)/\(whole.count)\n\(validators)",
                Array(whole[half...]))
        }
        defer { server.end() }
        let rig = DownloadFixture(center, urls: [server.url])
        let download = rig.download()
        #expect(try rig.fetchFailure(download).category == .unavailable)
        #expect(try download.fetch() == .installed(version: 7))
        #expect(try rig.gateAnswer(1) == (7, .active))
        let second = try #require(server.requests.last { $0.contains("/\(packed) ") })
        return second.split(separator: "\r\n").map(String.init).filter { $0.contains("ange:") }
    }

    private static let date = "Date: Wed, 25 Nov 2026 10:00:00 GMT"

    private static let modified = "Tue, 24 Nov 2026 10:00:00 GMT"

    @Test func strongETagIsSentAsIfRange() throws {
        let headers = try resume("ETag: \"abc\"\n\(Self.date)\nLast-Modified: \(Self.modified)")
        #expect(headers.count == 2 && headers.contains("If-Range: \"abc\""))
    }

    @Test(arguments: ["ETag: W/\"abc\"\n", ""]) func lastModifiedIsSentWithoutStrongETag(tag: String) throws {
        let headers = try resume("\(tag)\(Self.date)\nLast-Modified: \(Self.modified)")
        #expect(headers.count == 2 && headers.contains("If-Range: \(Self.modified)"))
    }

    /// Last-Modified in the second of the answer, without a Date, or no validator. The part is continued without a
    /// condition, because the file name contains the version and the hash is verified.
    @Test(arguments: ["\(date)\nLast-Modified: \(date.dropFirst(6))", "Last-Modified: \(modified)", "X-Nothing: 1"])
    func weakValidatorsAreNotSent(validators: String) throws {
        let headers = try resume(validators)
        #expect(headers.count == 1 && headers[0].hasPrefix("Range: bytes="), "\(headers)")
    }

    /// Such a value could not be sent back as a header.
    @Test func etagWithControlCharactersIsIgnored() throws {
        let headers = try resume("ETag: \"a\u{1}b\"")
        #expect(headers.count == 1 && headers[0].hasPrefix("Range: bytes="), "\(headers)")
        let server = try RawServer { _ in .init("HTTP/1.1 200 OK\nContent-Length: 0\nETag: \"a\u{1}b\"") }
        defer { server.end() }
        #expect(try HTTPSession().get(server.url + "/x", limitBytes: 10).etag == nil)
    }

    @Test func serverWithoutRangesSendsTheWholeFile() throws {
        #expect(try resume("ETag: \"abc\"", knowsRanges: false).count == 2)
    }

    /// The server continues a part of another file. The hash differs, and the file is downloaded again.
    @Test func partOfAnotherFileIsFoundByHash() throws {
        let manifest = try center.publish(version: 7, people: 2_000)
        let package = try #require(manifest.compressed)
        let rig = DownloadFixture(center)
        let part = rig.store.folder + "/download-7.gz"
        try Files.makeFolder(rig.store.folder)
        for origin in ["http://elsewhere\n\"x\"\n", "\(center.url)\n\n", "rubbish", "\(center.url)\n\u{1}\n"] {
            try Files.writeAtomically([UInt8](repeating: 7, count: Int(package.size) / 2), to: part)
            try Files.writeAtomically(Array(origin.utf8), to: part + ".origin")
            #expect("\(try rig.fetchFailure())".contains("(hash)"))
        }
        // With a validator that the server does not know, it sends the whole file at once.
        try Files.writeAtomically([UInt8](repeating: 7, count: Int(package.size) / 2), to: part)
        try Files.writeAtomically(Array("\(center.url)\n\"x\"\n".utf8), to: part + ".origin")
        #expect(try rig.download().fetch() == .installed(version: 7))
        #expect(center.requests.last?.headers["if-range"] == "\"x\"")
    }

    /// The server answers 416. The next check downloads the file again.
    @Test func oversizedPartIsDownloadedAgain() throws {
        let manifest = try center.publish(version: 7)
        let rig = DownloadFixture(center)
        let part = rig.store.folder + "/download-7.gz"
        try Files.makeFolder(rig.store.folder)
        try Files.writeAtomically([UInt8](repeating: 7, count: Int(manifest.size) * 2), to: part)
        try Files.writeAtomically(Array("\(center.url)\n\n".utf8), to: part + ".origin")
        #expect(try rig.fetchFailure().category == .unavailable)
        #expect(try rig.download().fetch() == .installed(version: 7))
    }

    // MARK: Faulty and slow servers

    private func kind(
        _ answer: RawServer.Answer, limitBytes: Int = 1_000, to path: String? = nil, isPatient: Bool = true,
        limitMs: Int? = nil
    ) throws -> HTTPClientError.Kind? {
        let server = try RawServer { _ in answer }
        defer { server.end() }
        var settings = HTTPSession.Settings()
        if !isPatient { settings.lowSpeedTimeS = 1 }
        let client = HTTPSession(settings)
        do {
            if let path {
                _ = try client.download(server.url + "/x", to: path, part: .unknown, limitBytes: limitBytes)
            } else {
                _ = try client.get(server.url + "/x", limitBytes: limitBytes, limitMs: limitMs)
            }
            return nil
        } catch { return error.kind }
    }

    @Test func wrongContentLengthIsRejected() throws {
        let folder = TemporaryFolder("lies")
        let body = [UInt8](repeating: 65, count: 500)
        // Too large by its Content-Length: rejected before a byte is written.
        let path = folder.file("a")
        #expect(try kind(.init("HTTP/1.1 200 OK\nContent-Length: 1001", body, hangs: true), to: path) == .tooLarge)
        #expect(Files.status(path) == nil)
        // A body that is too short, one without a length that does not end, one longer than its Content-Length.
        #expect(try kind(.init("HTTP/1.1 200 OK\nContent-Length: 900", body), to: path) == .unreachable)
        #expect(Files.status(path)?.size == 500)
        let endless = [UInt8](repeating: 65, count: 200_000)
        #expect(try kind(.init("HTTP/1.1 200 OK", endless), to: path) == .tooLarge)
        #expect(Files.status(path)?.size ?? 0 <= 1_000)
        #expect(try kind(.init("HTTP/1.1 200 OK", endless)) == .tooLarge)
        #expect(try kind(.init("HTTP/1.1 200 OK\nContent-Length: 100", endless), to: path) == nil)
        #expect(Files.status(path)?.size == 100)
    }

    @Test func unrequestedRangeIsRejected() throws {
        let folder = TemporaryFolder("range")
        #expect(
            try kind(
                .init("HTTP/1.1 206 Partial Content\nContent-Length: 3\nContent-Range: bytes 5-7/9", [1, 2, 3]),
                to: folder.file("a")) == .unreachable)
    }

    @Test func stalledOrSlowTransferTimesOut() throws {
        #expect(
            try kind(.init("HTTP/1.1 200 OK\nContent-Length: 900", [65], hangs: true), isPatient: false) == .timedOut)
        var drips = RawServer.Answer("HTTP/1.1 200 OK\nContent-Length: 900", [], pauseMs: 50)
        drips.pieces += (0..<400).map { _ in [65] }
        #expect(try kind(drips, isPatient: false) == .timedOut)
        // Above the lowest speed, but limited in total time.
        #expect(try kind(drips, limitMs: 300) == .timedOut)
    }

    /// The body of an error may never end. Waiting for it took half a minute or for ever.
    @Test(arguments: [401, 404, 416, 500, 203]) func errorEndsAtItsStatusLine(status: Int) throws {
        let folder = TemporaryFolder("error")
        let body = [UInt8](repeating: 65, count: 100_000)
        for head in ["HTTP/1.1 \(status) Error", "HTTP/1.1 \(status) Error\nContent-Length: 100000000000"] {
            let server = try RawServer { _ in .init(head, body, hangs: true) }
            defer { server.end() }
            let client = HTTPSession()
            let startMs = SystemClock.monotonicMs()
            let got = try client.get(server.url + "/x", limitBytes: 1_000)
            #expect(got.status == status && got.body.isEmpty)
            let file = try client.download(server.url + "/x", to: folder.file("x"), part: .unknown, limitBytes: 1_000)
            #expect(file.status == status && file.fileBytes == 0 && !Files.exists(folder.file("x")))
            // Far below the 30 s of the minimum rate.
            #expect(SystemClock.monotonicMs() - startMs < 15_000)
        }
    }

    /// libcurl reads the body of a redirect and ignores it.
    @Test func bodyOfARedirectIsLimited() throws {
        let head = "HTTP/1.1 302 Found\nLocation: /y\nContent-Length: 100000000000"
        let body = [UInt8](repeating: 65, count: 4 << 20)
        #expect(try kind(.init(head, body, hangs: true)) == .tooLarge)
    }

    @Test func headersAreLimited() throws {
        var answer = RawServer.Answer("HTTP/1.1 200 OK\nContent-Length: 0")
        let line = "X-Filler: " + String(repeating: "a", count: 4_000) + "\r\n"
        answer.pieces = [Array(("HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 70)).utf8)]
        answer.hangs = true
        #expect(try kind(answer) == .tooLarge)
    }

    @Test func fullFileHasATimeLimitFromAnySource() {
        for (sources, seconds) in [(1, 26_060), (2, 1_360)] {
            let urls = (0..<sources).map { "http://127.0.0.1:\($0 + 1)" }
            let download = Download(Download.Settings(folder: "/nonexistent", centerURLs: urls, keys: []))
            #expect(download.limitMs(ofFullFile: 13_000_000) == seconds * 1_000)
        }
    }

    @Test func redirectsAreLimitedToThree() throws {
        let server = try RawServer { _ in .init("HTTP/1.1 302 Found\nLocation: /again\nContent-Length: 0") }
        defer { server.end() }
        let client = HTTPSession()
        #expect(throws: HTTPClientError.self) { try client.get(server.url + "/x", limitBytes: 1_000) }
        #expect(server.requests.count == 4, "three redirects are followed")
    }

    /// The signature covers the compressed file, so no transfer encoding may change it.
    @Test func noContentEncodingIsRequested() throws {
        try center.publish(version: 7)
        _ = try DownloadFixture(center).download().fetch()
        #expect(center.requests.allSatisfy { $0.headers["accept-encoding"] == nil })
    }
}
