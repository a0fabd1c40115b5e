import Glibc
import HTTPServer
import TestSupport
import Testing

@testable import LinuxSystem

/// Tests that a name with several addresses is reached at the one that listens.
struct TCPExchangeTests {
    private let request = Array("GET / HTTP/1.0\r\n\r\n".utf8)

    private func addresses(_ numbers: String..., port: Int) throws -> [SocketAddress] {
        try numbers.flatMap { try SocketAddress.resolve(host: $0, port: port) }
    }

    @Test func addressThatRefusesIsFollowedByTheNextOne() throws {
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("here") }
        defer { server.stop() }
        let response = try TCPExchange.send(
            request, toFirstOf: addresses("127.0.0.2", "127.0.0.1", port: Int(server.port)), operation: "connect",
            limitBytes: 1_000, timeoutMs: 5_000)
        #expect(String(decoding: response, as: UTF8.self).hasSuffix("here"))
    }

    @Test func nameIsReachedWhereOnlyIPv4Listens() throws {
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("here") }
        defer { server.stop() }
        let response = try TCPExchange.send(
            request, host: "localhost", port: Int(server.port), limitBytes: 1_000, timeoutMs: 5_000)
        #expect(String(decoding: response, as: UTF8.self).hasSuffix("here"))
    }

    @Test func errorNamesHostPortAndTheLastCause() throws {
        let port = Int(try FaultProxy.freePort())
        let error = #expect(throws: SystemError.self) {
            try TCPExchange.send(request, host: "127.0.0.1", port: port, limitBytes: 1_000, timeoutMs: 5_000)
        }
        #expect(error?.description == "connect to 127.0.0.1:\(port): Connection refused")
        let other = #expect(throws: SystemError.self) {
            try TCPExchange.send(
                request, toFirstOf: addresses("127.0.0.2", "2001:db8::1", port: port), operation: "connect",
                limitBytes: 1_000, timeoutMs: 5_000)
        }
        #expect(other?.code == ECONNREFUSED, "an address without a route does not hide the refusal")
        #expect(SocketAddress.name(host: "::1", port: 5_672) == "[::1]:5672")
    }

    @Test func unknownNameGivesTheTextOfTheResolver() {
        let error = #expect(throws: SystemError.self) {
            try TCPExchange.send(request, host: "no such host", port: 1, limitBytes: 1_000, timeoutMs: 5_000)
        }
        #expect(error?.isRetriable == true)
        #expect(error?.description.hasPrefix("connect to no such host:1: ") == true)
        #expect(error?.cause != String(cString: strerror(EHOSTUNREACH)))
    }
}
