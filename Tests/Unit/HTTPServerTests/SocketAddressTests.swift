import Glibc
import HTTPServer
import TestSupport
import Testing

@testable import LinuxSystem

/// Tests that a name with several addresses is reached at the one that listens.
struct SocketAddressTests {
    private func addresses(_ numbers: String..., port: Int) throws -> [SocketAddress] {
        try numbers.flatMap { try SocketAddress.resolve(host: $0, port: port) }
    }

    /// Connects, and closes the connection.
    private func connect(_ addresses: [SocketAddress]) throws(SystemError) {
        close(
            try SocketAddress.connect(
                toFirstOf: addresses, operation: "connect", deadline: SystemClock.monotonicMs() + 5_000))
    }

    @Test func addressThatRefusesIsFollowedByTheNextOne() throws {
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("here") }
        defer { server.stop() }
        try connect(addresses("127.0.0.2", "127.0.0.1", port: Int(server.port)))
    }

    @Test func nameIsReachedWhereOnlyIPv4Listens() throws {
        let server = try HTTPListener(#require(HTTPAddress("127.0.0.1:0"))) { _ in .text("here") }
        defer { server.stop() }
        try connect(addresses("localhost", port: Int(server.port)))
    }

    @Test func errorNamesTheLastCause() throws {
        let port = Int(try FaultProxy.freePort())
        let error = #expect(throws: SystemError.self) { try connect(addresses("127.0.0.1", port: port)) }
        #expect(error?.description == "connect: Connection refused")
        let other = #expect(throws: SystemError.self) {
            try connect(addresses("127.0.0.2", "2001:db8::1", port: port))
        }
        #expect(other?.code == ECONNREFUSED, "an address without a route does not hide the refusal")
        #expect(SocketAddress.name(host: "::1", port: 5_672) == "[::1]:5672")
    }

    @Test func unknownNameGivesTheTextOfTheResolver() {
        let error = #expect(throws: SystemError.self) { try addresses("no such host", port: 1) }
        #expect(error?.isRetriable == true)
        #expect(error?.description.hasPrefix("connect to no such host:1: ") == true)
        #expect(error?.cause != String(cString: strerror(EHOSTUNREACH)))
    }
}
