// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
/// Domain modules hold no pointer, so there the word `unsafe` would mean something; wrappers live by it.
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

func library(_ name: String) -> Target { .systemLibrary(name: name, path: "Sources/Libraries/C/\(name)") }
func wrapper(_ name: String, _ folder: String, _ dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)", swiftSettings: common)
}
func domain(_ name: String, _ folder: String, _ dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)", swiftSettings: safe)
}
func program(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Sources/Programs/\(name)", swiftSettings: safe)
}
func tests(_ name: String, _ folder: String, _ dependencies: Target.Dependency...) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(folder)", swiftSettings: common)
}

let package = Package(
    name: "tapline",
    products: [
        .executable(name: "tapline-gate", targets: ["tapline-gate"]),
        .executable(name: "tapline-publisher", targets: ["tapline-publisher"]),
        .executable(name: "tapline-center", targets: ["tapline-center"]),
        .executable(name: "tapline-snapshot", targets: ["tapline-snapshot"]),
        .executable(name: "tapline-fleet", targets: ["tapline-fleet"]),
    ],
    targets: [
        // C libraries of Debian 12.
        library("CSQLite"), library("CRabbitMQ"), library("CPostgres"), library("CCurl"), library("CCBOR"),
        library("CMicrohttpd"), library("CCrypto"), library("CZlib"), library("CNFC"), library("CLinux"),

        // One wrapper, one library. They know nothing of gates or scans.
        wrapper("Runtime", "Shared/Runtime", "CLinux"),
        wrapper("SQLite", "Libraries/SQLite", "CSQLite"),
        wrapper("AMQP", "Libraries/AMQP", "CRabbitMQ"),
        wrapper("Postgres", "Libraries/Postgres", "CPostgres"),
        wrapper("HTTPClient", "Libraries/HTTPClient", "CCurl"),
        wrapper("HTTPServer", "Libraries/HTTPServer", "CMicrohttpd"),
        wrapper("Crypto", "Libraries/Crypto", "CCrypto"),
        wrapper("Zlib", "Libraries/Gzip", "CZlib"),
        wrapper("NFC", "Libraries/NFC", "CNFC"),
        wrapper("Serial", "Libraries/SerialPorts", "Runtime", "CLinux"),

        // The line, in the order of a tap's way.
        domain("Scans", "Shared/ScanModel", "Crypto"),
        wrapper("Batches", "Shared/ScanBatchCodec", "CCBOR", "Scans"),
        domain("Journal", "Scanner/ScanJournal", "SQLite", "Scans", "Runtime"),
        domain("Snapshots", "Shared/Snapshots", "SQLite", "Crypto", "Scans", "Runtime"),
        domain("Readers", "Scanner/Readers", "NFC", "Serial", "Crypto", "Scans", "Runtime"),
        domain("Gate", "Scanner/GateController", "Journal", "Snapshots", "Scans", "Crypto", "Runtime"),
        domain("Signals", "Scanner/TurnstileControl", "Gate", "Serial", "Snapshots", "Scans", "Runtime"),
        domain(
            "Publishing", "Scanner/ScanUpload", "Journal", "Batches", "Snapshots", "Scans", "SQLite", "AMQP",
            "HTTPClient", "Zlib", "Crypto",
            "Runtime"),
        .target(
            name: "Migrations", path: "migrations",
            resources: [
                .embedInCode("0001_registry.sql"), .embedInCode("0002_scans.sql"), .embedInCode("0003_presence.sql"),
                .embedInCode("0004_live_views.sql"), .embedInCode("0005_track_views.sql"),
                .embedInCode("0006_growth.sql"), .embedInCode("0007_tracking.sql"), .embedInCode("0008_rebuild.sql"),
                .embedInCode("0009_double_admissions.sql"), .embedInCode("0010_live_double_admissions.sql"),
                .embedInCode("0011_registry_changes.sql"),
            ], swiftSettings: common),
        domain("Registry", "Center/Registry", "Migrations", "Postgres", "Crypto", "Scans", "Runtime"),
        domain(
            "Exporting", "Center/SnapshotExport", "Postgres", "SQLite", "Snapshots", "Crypto", "Zlib", "Scans",
            "Runtime"),
        domain("Tracking", "Center/Tracking", "Postgres", "Scans", "Runtime"),
        domain("Ingest", "Center/Ingest", "AMQP", "Postgres", "Batches", "Tracking", "Crypto", "Scans", "Runtime"),
        domain("Growth", "Center/PartitionMaintenance", "Postgres", "Runtime"),
        domain("Web", "Center/CenterHTTP", "HTTPServer", "Runtime"),
        // Readers, chips and relay boards on pseudo-terminals: for tests, and for `tapline-fleet reader`.
        domain("Emulation", "Simulation/DeviceEmulation", "Serial", "Crypto", "Runtime"),
        domain(
            "Fleet", "Simulation/FleetSimulation", "Gate", "Readers", "Journal", "Snapshots", "Publishing", "Batches",
            "AMQP", "Scans", "Runtime"),

        program(
            "tapline-gate", "Readers", "Gate", "Signals", "Journal", "Snapshots", "Serial", "Scans", "Crypto", "Runtime"
        ),
        program("tapline-publisher", "Publishing", "Journal", "Snapshots", "Scans", "Runtime"),
        program(
            "tapline-center", "Ingest", "Tracking", "Growth", "Registry", "Migrations", "Exporting", "Web",
            "HTTPServer", "Snapshots",
            "Batches", "AMQP",
            "Postgres", "Scans", "Runtime"),
        program("tapline-snapshot", "Exporting", "Gate", "Snapshots", "Scans", "Crypto", "Runtime"),
        program(
            "tapline-fleet", "Fleet", "Readers", "Emulation", "Gate", "Journal", "Snapshots", "Publishing", "Crypto",
            "Scans",
            "Runtime"),

        // Rings: pure, wrapper on the real library, real servers, real binaries.
        .target(
            name: "Support", dependencies: ["CLinux", "Runtime"], path: "Tests/TestSupport", swiftSettings: common),
        .target(
            name: "CenterDouble",
            dependencies: ["HTTPServer", "SQLite", "Snapshots", "Scans", "Zlib", "Runtime", "Support"],
            path: "Tests/FakeCenter", swiftSettings: common),
        tests("RuntimeTests", "Unit/RuntimeTests", "Runtime", "Support"),
        tests("SQLiteTests", "Unit/SQLiteTests", "SQLite", "Support"),
        tests("CryptoTests", "Unit/CryptoTests", "Crypto", "Zlib", "Runtime", "Support"),
        tests("ScansTests", "Unit/ScanModelTests", "Scans", "Support"),
        tests("BatchesTests", "Unit/ScanBatchCodecTests", "Batches", "Scans", "Support"),
        tests("JournalTests", "Unit/ScanJournalTests", "Journal", "SQLite", "Scans", "Runtime", "Support"),
        tests("SnapshotsTests", "Unit/SnapshotsTests", "Snapshots", "SQLite", "Crypto", "Scans", "Runtime", "Support"),
        tests("EmulationTests", "Unit/DeviceEmulationTests", "Emulation", "Serial", "Crypto", "Runtime", "Support"),
        tests(
            "ReadersTests", "Unit/ReadersTests", "Readers", "NFC", "Serial", "Emulation", "Crypto", "Scans", "Runtime",
            "Support"),
        tests(
            "SignalsTests", "Unit/TurnstileControlTests", "Signals", "Gate", "Serial", "Emulation", "Snapshots",
            "Scans", "Runtime", "Support"),
        tests(
            "GateTests", "Unit/GateControllerTests", "Gate", "Journal", "Snapshots", "SQLite", "Scans", "Crypto",
            "Runtime", "Support"),
        tests(
            "PublishingTests", "Unit/ScanUploadTests", "Publishing", "Fleet", "Journal", "Batches", "Snapshots",
            "SQLite", "HTTPServer",
            "HTTPClient", "Crypto", "Zlib", "Scans", "Runtime", "Support", "CenterDouble"),
        tests("IngestTests", "Unit/IngestTests", "Ingest", "Tracking", "Batches", "Scans", "Runtime", "Support"),
        tests(
            "ExportingTests", "Unit/SnapshotExportTests", "Exporting", "Snapshots", "SQLite", "Crypto", "Zlib", "Scans",
            "Runtime", "Support"),
        tests("RegistryTests", "Unit/RegistryTests", "Registry", "Scans", "Runtime", "Support"),
        tests("WebTests", "Unit/CenterHTTPTests", "Web", "HTTPServer", "HTTPClient", "Runtime", "Support"),
        tests(
            "Integration", "Integration", "AMQP", "Postgres", "Ingest", "Tracking", "Growth", "Registry", "Exporting",
            "Publishing",
            "Batches",
            "Journal", "Serial", "Snapshots", "SQLite", "Migrations", "Crypto", "Scans", "Runtime", "Support"),
        tests(
            "EndToEnd", "EndToEnd", "Emulation", "Serial", "Journal", "Snapshots", "Support", "Runtime", "Scans",
            "SQLite",
            "Crypto",
            "Postgres", "CenterDouble"),
    ],
    swiftLanguageModes: [.v6]
)
