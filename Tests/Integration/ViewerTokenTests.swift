import Postgres
import Schema
import TestSupport
import Testing

@testable import ViewerAccess

/// Tokens of viewers in the database, as the center's own role.
struct ViewerTokenTests {
    private let database: TestDatabase
    private let connection: PostgresConnection
    private var store: ViewerTokenStore { ViewerTokenStore(connection) }

    init() throws {
        database = try TestDatabase.migratedByMigrator()
        connection = try PostgresConnection(url: database.url(as: "tapline_center"), applicationName: "test")
    }

    @Test func tokenIsAcceptedUntilItIsRevoked() throws {
        let access = ViewerAccess(databaseURL: database.url)
        let wall = try store.make(name: "wall 1", role: .counts, expiresS: 600)
        let desk = try store.make(name: "info desk", role: .names, expiresS: 600)
        #expect(wall.utf8.count == 64 && wall != desk)
        #expect(access.role(token: wall) == nil, "before the first reading")
        try access.refresh(connection)
        #expect(access.role(token: wall) == .counts && access.role(token: desk) == .names)
        for other in [
            "", "x", String(wall.dropLast()), wall.uppercased(), wall + "0", desk.reversed().map(String.init).joined(),
        ] {
            #expect(access.role(token: other) == nil, "\(other)")
        }
        let seconds = try #require(access.validity(token: desk)?.seconds)
        #expect((500...600).contains(seconds))
        try store.revoke(name: "info desk")
        try access.refresh(connection)
        #expect(access.role(token: desk) == nil && access.role(token: wall) == .counts)
        let list = try store.list()
        #expect(Set(list.map(\.name)) == ["wall 1", "info desk"])
        #expect(list.first { $0.name == "info desk" }?.revokedMicros != nil)
    }

    @Test func serviceReadsTokensAndSurvivesADatabaseFault() throws {
        let access = ViewerAccess(databaseURL: database.url(as: "tapline_center"))
        let service = RunningService(access.service())
        let token = try store.make(name: "wall", role: .counts, expiresS: 600)
        try eventually("the token is known") { access.role(token: token) == .counts }
        try store.revoke(name: "wall")
        try eventually("the token is refused", withinMs: 3_000) { access.role(token: token) == nil }
        try service.end()
    }

    @Test func expiredTokenIsRefused() throws {
        let access = ViewerAccess(databaseURL: database.url)
        let token = try store.make(name: "wall", role: .counts, expiresS: 60)
        try access.refresh(connection)
        #expect(access.role(token: token) == .counts)
        try connection.execute(
            "UPDATE tapline_internal.viewer_tokens SET made_at = now() - interval '1 h', expires_at = now() - interval '1 s'"
        )
        try access.refresh(connection)
        #expect(access.role(token: token) == nil)
        // In memory too, while the database is unavailable.
        let table = ViewerTable([ViewerTokenStore.hash(token): .init(role: .names, expiresMicros: 1_000)])
        #expect(table.entry(ofToken: token, nowMicros: 999)?.role == .names)
        #expect(table.entry(ofToken: token, nowMicros: 1_000) == nil)
    }

    @Test func databaseHoldsNoToken() throws {
        let token = try store.make(name: "wall", role: .names, expiresS: 600)
        let row = try connection.query("SELECT v::text FROM tapline_internal.viewer_tokens v").text(0, 0)
        #expect(!row.contains(token) && row.contains("wall"))
    }

    @Test func namesAreUniqueAmongThoseThatAreNotRevoked() throws {
        _ = try store.make(name: "wall", role: .counts, expiresS: 600)
        #expect(throws: ViewerTokenError.self) { try store.make(name: "wall", role: .names, expiresS: 600) }
        try store.revoke(name: "wall")
        _ = try store.make(name: "wall", role: .names, expiresS: 600)
        #expect(try store.list().count == 2)
        for bad in ["", " wall", "wall ", "a\nb", String(repeating: "a", count: 65)] {
            #expect(throws: ViewerTokenError.self) { try store.make(name: bad, role: .counts, expiresS: 600) }
        }
    }

    @Test func unknownNameIsAnErrorWithTheNearest() throws {
        _ = try store.make(name: "info desk", role: .counts, expiresS: 600)
        let error = #expect(throws: ViewerTokenError.self) { try store.revoke(name: "infodesk") }
        #expect(error?.description == "there is no token 'infodesk'; nearest: 'info desk'")
        #expect(throws: ViewerTokenError.self) { try store.revoke(name: "x") }
    }

    @Test func tooManyTokensAreRefused() throws {
        try connection.execute(
            """
            INSERT INTO tapline_internal.viewer_tokens (token_hash, name, role, expires_at)
            SELECT sha256(int4send(n)), 'n' || n, 'viewer', now() + interval '1 h'
            FROM generate_series(1, \(ViewerTokenStore.limit)) n
            """)
        #expect(throws: ViewerTokenError.self) { try store.make(name: "wall", role: .counts, expiresS: 600) }
        try store.revoke(name: "n7")
        _ = try store.make(name: "wall", role: .counts, expiresS: 600)
    }

    @Test func otherRolesCannotReadTokens() throws {
        let reader = try PostgresConnection(url: database.url(as: "tapline_reader"), applicationName: "test")
        #expect(throws: PostgresError.self) { try reader.query("SELECT * FROM tapline_internal.viewer_tokens") }
    }
}
