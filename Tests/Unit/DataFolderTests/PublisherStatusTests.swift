import DataFolder
import FileSystem
import TestSupport
import Testing

struct PublisherStatusTests {
    @Test func uploadStateOfLaterVersionIsUnknown() throws {
        let folder = TemporaryFolder("publisher-status")
        let status = PublisherStatus(folder: folder.path, scanner: "gate-7")
        status.update { $0.upload.state = .blocked }
        status.save(now: true)
        #expect(PublisherStatus.read(folder: folder.path)?.upload.state == .blocked)
        let path = folder.path + "/publisher.json"
        let text = try Files.readText(path, limit: 65_536)
        try Files.writeAtomically(Array(text.replacing(#""blocked""#, with: #""resting""#).utf8), to: path)
        let read = try #require(PublisherStatus.read(folder: folder.path))
        #expect(read.upload.state == .unknown && read.scanner == "gate-7")
    }
}
