import FileSystem
import Postgres
import RegistrationLists
import Registry
import ScanModel
import TestSupport
import Testing

/// A database with the schema, and helpers to import lists.
final class RegistryFixture {
    let database: TestDatabase
    let connection: PostgresConnection
    let registry: RegistryStore
    let key: EventKey
    private let folder = TemporaryFolder("registry")

    init() throws {
        database = try TestDatabase.migrated()
        connection = try database.connect()
        registry = try RegistryStore(connection)
        key = try #require(EventKey(Array(UInt8(7)..<39)))
    }

    func write(_ text: String, _ name: String = "list.csv") throws -> String {
        try Files.writeAtomically(Array(text.utf8), to: folder.file(name), durable: false)
        return folder.file(name)
    }

    /// The settings of lists with short UIDs, which are easier to read in tests.
    var identities: RegistrationCSV.Identities {
        var identities = RegistrationCSV.Identities(key: key)
        identities.uidLengths = Set(UIDFormat.lengths)
        return identities
    }

    func list(_ csv: String) throws -> RegistrationCSV { RegistrationCSV(try write(csv), identities) }

    @discardableResult
    func `import`(_ csv: String, _ set: (inout ImportOptions) -> Void = { _ in }) throws -> ImportSummary {
        var options = ImportOptions()
        options.makeZones = true
        set(&options)
        return try registry.import(try list(csv), options)
    }

    @discardableResult
    func setEvent(_ set: (inout RegistryStore.EventChange) -> Void) throws -> RegistryStore.EventFacts {
        var change = RegistryStore.EventChange()
        set(&change)
        return try registry.setEvent(change)
    }

    /// Runs a change that must be rejected, and returns the error.
    func rejected<Result>(_ body: () throws -> Result) throws -> RegistryError {
        try #require(throws: RegistryError.self) { _ = try body() }
    }

    @discardableResult
    func importPasses(_ csv: String) throws -> ImportSummary {
        var options = ImportOptions()
        options.makeZones = true
        return try registry.import(nil, passes: try PassCSV(try write(csv, "passes.csv")), options)
    }

    /// Imports a list that must be rejected, and returns the errors of its rows.
    func refused(_ csv: String, _ set: (inout ImportOptions) -> Void = { _ in }) throws -> [String] {
        try #require(throws: ImportRejected.self) { try self.import(csv, set) }.problems.map(\.description)
    }

    /// Imports a list that must fail, and returns the error.
    func failed(_ csv: String, _ set: (inout ImportOptions) -> Void) throws -> String {
        try #require(throws: RegistryError.self) { try self.import(csv, set) }.description
    }

    /// The rows of a query: columns joined by `|`, null as `-`.
    func rows(_ sql: String) throws -> [String] { try connection.rows(sql) }

    func tag(_ uid: UInt8...) -> Int64 { key.tagID(of: .uid(uid)).rawValue }

    /// Returns all tables that an import writes, with row positions and transactions. Two results are equal only if
    /// nothing was written, or everything was undone.
    func picture() throws -> [String] {
        try ["attendees", "tags", "passes", "access", "zones"].flatMap { table in
            try rows("SELECT '\(table)', ctid, xmin, t.* FROM tapline.\(table) t ORDER BY ctid")
        }
    }

    /// The exported list without its header.
    func exported() throws -> [String] {
        var bytes: [UInt8] = []
        _ = try registry.exportList { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst().map(String.init)
    }
}
