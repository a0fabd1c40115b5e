import Glibc

/// An HTTP client that sends exactly the given bytes, including invalid requests.
package struct RawHTTP {
    let port: UInt16

    package init(port: UInt16) {
        self.port = port
    }

    package struct Answer {
        package var status = 0
        package var headers: [String: String] = [:]
        package var body: [UInt8] = []
        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// Sends one request on a new connection, and reads until the server closes it.
    package func send(_ method: String, _ path: String, _ headers: [String: String] = [:], body: String = "") throws
        -> Answer
    {
        var request = "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        for (name, value) in headers { request += "\(name): \(value)\r\n" }
        return try exchange(request + "\r\n" + body)
    }

    package func get(_ path: String, _ headers: [String: String] = [:]) throws -> Answer {
        try send("GET", path, headers)
    }

    package func exchange(_ request: String) throws -> Answer {
        guard let descriptor = try? ClientSocket.connected(port) else { throw Refused() }
        defer { close(descriptor) }
        _ = Array(request.utf8).withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress!, $0.count, 0) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { break }
            bytes += chunk[..<count]
        }
        return parse(bytes)
    }

    package struct Refused: Error {}

    private func parse(_ bytes: [UInt8]) -> Answer {
        var answer = Answer()
        guard let end = (0..<max(0, bytes.count - 3)).first(where: { Array(bytes[$0..<$0 + 4]) == [13, 10, 13, 10] })
        else {
            return answer
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        answer.status = Int(lines[0].split(separator: " ")[1]) ?? 0
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            answer.headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        answer.body = Array(bytes[(end + 4)...])
        return answer
    }
}
