// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
/// Settings of modules without pointers: each use of an unsafe construct needs the word `unsafe`. Wrappers of C
/// libraries use pointers everywhere and are built without this check.
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

func cLibrary(_ name: String) -> Target { .systemLibrary(name: name, path: "Sources/Libraries/C/\(name)") }
func wrapper(_ name: String, in wing: String, _ dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(wing)/\(name)", swiftSettings: common)
}
func domain(_ name: String, in wing: String, _ dependencies: Target.Dependency...) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(wing)/\(name)", swiftSettings: safe)
}
func program(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Sources/Programs/\(name)", swiftSettings: safe)
}
func unitTests(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/Unit/\(name)", swiftSettings: common)
}
func tests(_ name: String, _ dependencies: Target.Dependency...) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: common)
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
        cLibrary("CSQLite"), cLibrary("CRabbitMQ"), cLibrary("CPostgres"), cLibrary("CCurl"), cLibrary("CCBOR"),
        cLibrary("CMicrohttpd"), cLibrary("CCrypto"), cLibrary("CZlib"), cLibrary("CNFC"), cLibrary("CQREncode"),
        cLibrary("CLinux"),

        // One wrapper per C library, and file formats of other programs. No knowledge of gates or scans.
        domain("ErrorModel", in: "Libraries"),
        domain("TextRules", in: "Libraries"),
        wrapper("LinuxSystem", in: "Libraries", "CLinux", "ErrorModel"),
        wrapper("SQLite", in: "Libraries", "CSQLite", "ErrorModel"),
        wrapper("AMQP", in: "Libraries", "CRabbitMQ", "ErrorModel", "LinuxSystem", "Crypto"),
        wrapper("Postgres", in: "Libraries", "CPostgres", "ErrorModel", "LinuxSystem"),
        wrapper("HTTPClient", in: "Libraries", "CCurl", "ErrorModel", "LinuxSystem", "Crypto"),
        wrapper("HTTPServer", in: "Libraries", "CMicrohttpd", "ErrorModel", "LinuxSystem"),
        wrapper("Crypto", in: "Libraries", "CCrypto", "ErrorModel"),
        wrapper("Certificates", in: "Libraries", "CCrypto", "ErrorModel"),
        wrapper("Minisign", in: "Libraries", "ErrorModel", "Crypto"),
        wrapper("Compression", in: "Libraries", "CZlib", "ErrorModel", "LinuxSystem"),
        wrapper("NFC", in: "Libraries", "CNFC", "ErrorModel"),
        wrapper("QRCodes", in: "Libraries", "CQREncode", "ErrorModel"),
        wrapper("SerialPorts", in: "Libraries", "CLinux", "LinuxSystem"),

        // Used by scanner and center.
        wrapper("FileSystem", in: "Shared", "CLinux", "ErrorModel", "LinuxSystem"),
        wrapper("Runtime", in: "Shared", "CLinux", "TextRules", "LinuxSystem", "FileSystem"),
        domain("ScanModel", in: "Shared", "TextRules", "LinuxSystem", "Crypto"),
        wrapper(
            "CLI", in: "Shared", "CLinux", "ErrorModel", "TextRules", "LinuxSystem", "Crypto", "FileSystem", "Runtime",
            "ScanModel"),
        domain("BrokerOptions", in: "Shared", "AMQP", "CLI"),
        wrapper("ScanBatchCodec", in: "Shared", "CCBOR", "ScanModel"),
        domain(
            "Snapshots", in: "Shared", "ErrorModel", "LinuxSystem", "SQLite", "Crypto", "Minisign", "FileSystem",
            "Runtime", "ScanModel"),
        domain("AccessControl", in: "Shared", "ErrorModel", "Runtime", "ScanModel", "Snapshots"),
        domain("EnrolmentExchange", in: "Shared", "Crypto", "ScanModel"),

        // The scanner: gate and publisher.
        domain("DataFolder", in: "Scanner", "LinuxSystem", "SQLite", "FileSystem", "Runtime", "ScanModel"),
        domain(
            "ScanJournal", in: "Scanner", "ErrorModel", "LinuxSystem", "SQLite", "FileSystem", "Runtime", "ScanModel",
            "DataFolder"),
        domain(
            "Readers", in: "Scanner", "ErrorModel", "LinuxSystem", "Crypto", "NFC", "SerialPorts", "FileSystem",
            "Runtime",
            "ScanModel"),
        domain(
            "TurnstileControl", in: "Scanner", "ErrorModel", "LinuxSystem", "SerialPorts", "Runtime", "ScanModel",
            "AccessControl",
            "GateController"),
        domain(
            "LaneDisplay", in: "Scanner", "LinuxSystem", "Runtime", "ScanModel", "Snapshots", "AccessControl",
            "DataFolder", "ScanJournal", "GateController"),
        domain(
            "GateController", in: "Scanner", "ErrorModel", "TextRules", "LinuxSystem", "Crypto", "FileSystem",
            "Runtime", "ScanModel", "Snapshots", "AccessControl", "DataFolder", "ScanJournal", "SnapshotInstall"),
        domain(
            "SnapshotInstall", in: "Scanner", "LinuxSystem", "SQLite", "Crypto", "Minisign", "FileSystem", "Runtime",
            "ScanModel", "Snapshots", "DataFolder"),
        domain(
            "SnapshotDownload", in: "Scanner", "ErrorModel", "LinuxSystem", "HTTPClient", "Minisign", "Compression",
            "FileSystem", "Runtime", "Snapshots", "DataFolder", "SnapshotInstall"),
        domain(
            "ScanUpload", in: "Scanner", "ErrorModel", "LinuxSystem", "AMQP", "Crypto", "FileSystem", "Runtime",
            "ScanModel", "ScanBatchCodec", "DataFolder", "ScanJournal", "SnapshotInstall"),
        domain(
            "DeviceEnrolment", in: "Scanner", "ErrorModel", "LinuxSystem", "HTTPClient", "Crypto", "FileSystem",
            "ScanModel", "EnrolmentExchange"),

        // The command center: ingestion, registry, snapshots.
        .target(
            name: "Migrations", path: "migrations",
            resources: [
                .embedInCode("0001_foundation.sql"),
                .embedInCode("0002_registry.sql"),
                .embedInCode("0003_journals.sql"),
                .embedInCode("0004_scan_runs.sql"),
                .embedInCode("0005_scan_partitions.sql"),
                .embedInCode("0006_ingest.sql"),
                .embedInCode("0007_tracking.sql"),
                .embedInCode("0008_double_admissions.sql"),
                .embedInCode("0009_verification.sql"),
                .embedInCode("0010_lane_health.sql"),
                .embedInCode("0011_live_views.sql"),
                .embedInCode("0012_report_views.sql"),
                .embedInCode("0013_registry_comments.sql"),
                .embedInCode("0014_scan_comments.sql"),
                .embedInCode("0015_live_view_comments.sql"),
                .embedInCode("0016_report_view_comments.sql"),
                .embedInCode("0017_enrolment.sql"),
                .embedInCode("0018_void_scans.sql"),
                .embedInCode("0019_roles.sql"),
                .embedInCode("0020_live_settings.sql"),
                .embedInCode("0021_refusal_flow.sql"),
                .embedInCode("0022_wall_views.sql"),
                .embedInCode("0023_viewer_tokens.sql"),
                .embedInCode("0024_people_search.sql"),
                .embedInCode("0025_privacy.sql"),
                .embedInCode("0026_scan_queries.sql"),
                .embedInCode("0027_reports.sql"),
                .embedInCode("0028_report_comments.sql"),
                .embedInCode("0029_wall_comments.sql"),
                .embedInCode("0030_sudden_drops.sql"),
                .embedInCode("0031_grants.sql"),
            ], swiftSettings: common),
        domain("Schema", in: "Center", "ErrorModel", "Postgres", "Crypto", "Runtime", "Migrations"),
        domain(
            "RegistrationLists", in: "Center", "ErrorModel", "TextRules", "LinuxSystem", "Crypto", "FileSystem",
            "Runtime", "ScanModel"),
        domain(
            "Registry", in: "Center", "ErrorModel", "TextRules", "Postgres", "Crypto", "Runtime", "ScanModel", "Schema",
            "RegistrationLists"),
        domain("SnapshotWriting", in: "Center", "SQLite", "Crypto", "FileSystem", "ScanModel", "Snapshots"),
        domain(
            "SnapshotExport", in: "Center", "ErrorModel", "LinuxSystem", "SQLite", "Postgres", "Crypto", "Minisign",
            "Compression", "FileSystem", "Runtime", "ScanModel", "Snapshots", "Schema", "SnapshotWriting"),
        domain("ScanRuns", in: "Center", "Postgres", "ScanModel"),
        domain("Tracking", in: "Center", "LinuxSystem", "Postgres", "Runtime", "ScanModel", "ScanRuns"),
        domain("BrokerAPI", in: "Center", "AMQP", "HTTPClient", "Crypto"),
        domain(
            "Ingest", in: "Center", "ErrorModel", "LinuxSystem", "AMQP", "Postgres", "Crypto", "FileSystem", "Runtime",
            "ScanModel", "ScanBatchCodec", "BrokerAPI", "ScanRuns", "Tracking"),
        domain("PartitionMaintenance", in: "Center", "LinuxSystem", "Postgres", "Runtime", "ScanRuns"),
        domain(
            "Enrolment", in: "Center", "ErrorModel", "LinuxSystem", "HTTPClient", "Postgres", "Crypto", "FileSystem",
            "Runtime", "ScanModel", "EnrolmentExchange", "BrokerAPI"),
        domain("ViewerAccess", in: "Center", "ErrorModel", "LinuxSystem", "Postgres", "Crypto", "Runtime"),
        domain("LiveState", in: "Center", "ErrorModel", "LinuxSystem", "Postgres", "Runtime"),
        domain(
            "People", in: "Center", "ErrorModel", "LinuxSystem", "Postgres", "HTTPServer", "Runtime", "ScanModel",
            "Snapshots", "AccessControl", "Registry"),
        domain("Reports", in: "Center", "ErrorModel", "Postgres"),
        .target(
            name: "WallPages", path: "Sources/Center/WallPages",
            resources: [
                .embedInCode("alarms.js"),
                .embedInCode("arrivals.js"),
                .embedInCode("base.css"),
                .embedInCode("dom.js"),
                .embedInCode("find.css"),
                .embedInCode("find.js"),
                .embedInCode("fleet.js"),
                .embedInCode("format.js"),
                .embedInCode("gates.js"),
                .embedInCode("icon.svg"),
                .embedInCode("ingest.js"),
                .embedInCode("login.css"),
                .embedInCode("login.html"),
                .embedInCode("login.js"),
                .embedInCode("page.js"),
                .embedInCode("parts.css"),
                .embedInCode("refused.js"),
                .embedInCode("stream.js"),
                .embedInCode("wall.css"),
                .embedInCode("wall.html"),
                .embedInCode("wall.js"),
                .embedInCode("words-ar-more.js"),
                .embedInCode("words-ar.js"),
                .embedInCode("words-en.js"),
                .embedInCode("words.js"),
                .embedInCode("zone.css"),
                .embedInCode("zone.html"),
                .embedInCode("zone.js"),
                .embedInCode("zones.js"),
            ],
            swiftSettings: common),
        domain(
            "CenterHTTP", in: "Center", "ErrorModel", "LinuxSystem", "HTTPServer", "Crypto", "Certificates",
            "FileSystem",
            "Runtime", "ViewerAccess"),

        // Emulated devices, simulated fleets and benchmark loads.
        wrapper(
            "DeviceEmulation", in: "Simulation", "ErrorModel", "CLinux", "LinuxSystem", "Crypto", "FileSystem",
            "Runtime"),
        domain(
            "FleetSimulation", in: "Simulation", "ErrorModel", "LinuxSystem", "AMQP", "Crypto", "FileSystem", "Runtime",
            "ScanModel", "Snapshots", "AccessControl", "DataFolder", "ScanJournal", "ScanUpload"),
        domain(
            "Benchmarks", in: "Simulation", "ErrorModel", "LinuxSystem", "AMQP", "Crypto", "Runtime", "ScanModel",
            "ScanBatchCodec", "Snapshots", "AccessControl", "ScanJournal", "SnapshotWriting", "FleetSimulation"),

        // The executables.
        program(
            "tapline-gate", "Crypto", "FileSystem", "Runtime", "CLI", "ScanModel", "AccessControl", "DataFolder",
            "ScanJournal", "Readers", "TurnstileControl", "LaneDisplay", "GateController", "SnapshotInstall"),
        program(
            "tapline-publisher", "LinuxSystem", "AMQP", "HTTPClient", "Crypto", "Minisign", "SerialPorts", "FileSystem",
            "Runtime", "CLI", "BrokerOptions", "ScanModel", "Snapshots", "EnrolmentExchange", "DataFolder",
            "SnapshotDownload", "ScanUpload", "DeviceEnrolment"),
        program(
            "tapline-center", "TextRules", "LinuxSystem", "AMQP", "Postgres", "HTTPServer", "Crypto", "Certificates",
            "Minisign", "QRCodes", "FileSystem", "Runtime", "CLI", "BrokerOptions", "ScanModel", "ScanBatchCodec",
            "Snapshots", "AccessControl", "EnrolmentExchange", "Migrations", "Schema", "RegistrationLists", "Registry",
            "SnapshotExport", "Tracking", "Ingest", "PartitionMaintenance", "Enrolment", "ViewerAccess", "LiveState",
            "People", "Reports", "WallPages", "CenterHTTP"),
        program(
            "tapline-snapshot", "LinuxSystem", "Minisign", "FileSystem", "Runtime", "CLI", "ScanModel",
            "Snapshots", "AccessControl", "Schema", "SnapshotExport"),
        program(
            "tapline-fleet", "AMQP", "Crypto", "FileSystem", "Runtime", "CLI", "BrokerOptions", "ScanModel",
            "ScanUpload", "DeviceEmulation", "FleetSimulation", "Benchmarks"),

        // Support code of the tests.
        .target(
            name: "TestSupport", dependencies: ["CLinux", "LinuxSystem", "FileSystem", "Runtime"],
            path: "Tests/TestSupport", swiftSettings: common),
        .target(
            name: "FakeCenter",
            dependencies: [
                "LinuxSystem", "SQLite", "HTTPServer", "Minisign", "Compression", "FileSystem", "ScanModel",
                "Snapshots", "SnapshotWriting", "TestSupport",
            ], path: "Tests/FakeCenter", swiftSettings: common),

        // Tests: one target per module, then real servers, then real binaries.
        unitTests(
            "AccessControlTests", "FileSystem", "ScanModel", "Snapshots", "SnapshotWriting", "AccessControl",
            "TestSupport"),
        unitTests("BenchmarksTests", "ScanModel", "ScanBatchCodec", "FleetSimulation", "Benchmarks"),
        unitTests(
            "CLITests", "LinuxSystem", "FileSystem", "Runtime", "CLI", "ScanModel", "EnrolmentExchange",
            "DeviceEmulation", "TestSupport"),
        unitTests(
            "CenterHTTPTests", "LinuxSystem", "HTTPServer", "Certificates", "FileSystem", "Runtime", "CenterHTTP",
            "ViewerAccess", "TestSupport"),
        unitTests("CertificatesTests", "Certificates", "FileSystem", "TestSupport"),
        unitTests("CompressionTests", "Compression", "FileSystem", "TestSupport"),
        unitTests("CryptoTests", "Crypto"),
        unitTests(
            "DataFolderTests", "ErrorModel", "LinuxSystem", "SQLite", "FileSystem", "ScanModel", "DataFolder",
            "TestSupport"),
        unitTests(
            "DeviceEmulationTests", "LinuxSystem", "Crypto", "SerialPorts", "FileSystem", "Runtime", "DeviceEmulation",
            "TestSupport"),
        unitTests("EnrolmentExchangeTests", "Crypto", "ScanModel", "EnrolmentExchange"),
        unitTests(
            "EnrolmentTests", "ErrorModel", "Crypto", "FileSystem", "ScanModel", "EnrolmentExchange", "Enrolment",
            "TestSupport"),
        unitTests("FileSystemTests", "ErrorModel", "LinuxSystem", "FileSystem", "Runtime", "TestSupport"),
        unitTests(
            "FleetSimulationTests", "LinuxSystem", "Runtime", "ScanModel", "Snapshots", "ScanJournal",
            "FleetSimulation", "FakeCenter", "TestSupport"),
        unitTests(
            "GateControllerTests", "LinuxSystem", "SQLite", "FileSystem", "Runtime", "ScanModel", "Snapshots",
            "AccessControl", "DataFolder", "ScanJournal", "GateController", "SnapshotInstall", "SnapshotWriting",
            "TestSupport"),
        unitTests(
            "HTTPServerTests", "LinuxSystem", "HTTPServer", "Certificates", "FileSystem", "Runtime", "CenterHTTP",
            "TestSupport"),
        unitTests("IngestTests", "ScanModel", "ScanBatchCodec", "ScanRuns", "Ingest", "TestSupport"),
        unitTests(
            "LaneDisplayTests", "LinuxSystem", "SerialPorts", "FileSystem", "Runtime", "ScanModel", "Snapshots",
            "AccessControl", "DataFolder", "ScanJournal", "LaneDisplay", "GateController", "DeviceEmulation",
            "TestSupport"),
        unitTests("LiveStateTests", "LinuxSystem", "LiveState", "Runtime", "TestSupport"),
        unitTests("MinisignTests", "ErrorModel", "Minisign", "FileSystem", "Snapshots", "TestSupport"),
        unitTests("NFCTests", "LinuxSystem", "NFC", "Runtime", "DeviceEmulation", "TestSupport"),
        unitTests("PeopleTests", "HTTPServer", "People", "TestSupport"),
        unitTests("QRCodesTests", "QRCodes"),
        unitTests(
            "ReadersTests", "LinuxSystem", "Crypto", "SerialPorts", "FileSystem", "Runtime",
            "ScanModel", "Readers", "DeviceEmulation", "TestSupport"),
        unitTests(
            "RegistrationListsTests", "ErrorModel", "FileSystem", "ScanModel", "RegistrationLists", "TestSupport"),
        unitTests("ReportsTests", "Reports", "TestSupport"),
        unitTests("RuntimeTests", "LinuxSystem", "FileSystem", "Runtime", "TestSupport"),
        unitTests("SQLiteTests", "SQLite", "FileSystem", "TestSupport"),
        unitTests("ScanBatchCodecTests", "ScanModel", "ScanBatchCodec", "TestSupport"),
        unitTests(
            "ScanJournalTests", "ErrorModel", "LinuxSystem", "SQLite", "FileSystem", "Runtime", "ScanModel",
            "DataFolder", "ScanJournal", "TestSupport"),
        unitTests("ScanModelTests", "TextRules", "ScanModel"),
        unitTests("ScanRunsTests", "Postgres", "ScanModel", "ScanRuns", "TestSupport"),
        unitTests(
            "ScanUploadTests", "ErrorModel", "LinuxSystem", "SQLite", "FileSystem", "Runtime", "ScanModel",
            "ScanBatchCodec", "DataFolder", "ScanJournal", "ScanUpload", "TestSupport"),
        unitTests(
            "SnapshotDownloadTests", "ErrorModel", "LinuxSystem", "SQLite", "HTTPClient", "HTTPServer", "Minisign",
            "FileSystem", "Runtime", "ScanModel", "Snapshots", "DataFolder", "SnapshotInstall", "SnapshotDownload",
            "FakeCenter", "TestSupport"),
        unitTests(
            "SnapshotExportTests", "LinuxSystem", "SQLite", "Crypto", "Minisign", "FileSystem", "Runtime",
            "ScanModel", "Snapshots", "SnapshotInstall", "SnapshotWriting", "SnapshotExport", "TestSupport"),
        unitTests(
            "SnapshotInstallTests", "LinuxSystem", "SQLite", "Minisign", "FileSystem", "ScanModel", "Snapshots",
            "DataFolder", "SnapshotInstall", "FakeCenter", "TestSupport"),
        unitTests(
            "SnapshotsTests", "SQLite", "Crypto", "FileSystem", "ScanModel", "Snapshots", "SnapshotWriting",
            "FakeCenter", "TestSupport"),
        unitTests(
            "SnapshotWritingTests", "SQLite", "FileSystem", "ScanModel", "Snapshots", "SnapshotWriting",
            "TestSupport"),
        unitTests("TestSupportTests", "TestSupport"),
        unitTests("TextRulesTests", "TextRules"),
        unitTests("TrackingTests", "Runtime", "ScanModel", "ScanRuns", "Tracking", "TestSupport"),
        unitTests(
            "TurnstileControlTests", "LinuxSystem", "SerialPorts", "FileSystem", "Runtime", "ScanModel",
            "AccessControl", "TurnstileControl", "GateController", "DeviceEmulation", "TestSupport"),
        tests(
            "Integration", "ErrorModel", "LinuxSystem", "SQLite", "AMQP", "Postgres", "HTTPClient", "HTTPServer",
            "Crypto", "Minisign", "FileSystem", "Runtime", "CLI", "ScanModel", "ScanBatchCodec", "Snapshots",
            "EnrolmentExchange", "Enrolment", "CenterHTTP", "DeviceEnrolment", "DataFolder",
            "ScanJournal", "SnapshotInstall", "ScanUpload", "Migrations", "Schema", "RegistrationLists", "Registry",
            "SnapshotWriting", "SnapshotExport", "ScanRuns", "Tracking", "Ingest", "PartitionMaintenance",
            "AccessControl",
            "ViewerAccess", "LiveState", "People", "Reports", "DeviceEmulation", "TestSupport"),
        tests(
            "EndToEnd", "LinuxSystem", "Crypto", "Minisign", "FileSystem", "Runtime", "ScanModel", "Snapshots",
            "ScanJournal", "SnapshotInstall", "SnapshotWriting", "DeviceEmulation", "FakeCenter", "TestSupport"),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers, which only `Tests/Fuzz/run` builds: it names the library of libFuzzer. Programs and tests are left out,
// because all modules are then built with the address sanitizer and with counters.
if let library = Context.environment["TAPLINE_FUZZ_LIBRARY"] {
    func fuzzer(_ name: String, _ dependencies: Target.Dependency...) -> Target {
        .executableTarget(
            name: name, dependencies: ["FuzzDriver"] + dependencies, path: "Tests/Fuzz/\(name)", swiftSettings: common,
            linkerSettings: [.unsafeFlags([library, "-lstdc++"])])
    }
    package.products = []
    package.targets.removeAll { $0.type == .executable || $0.type == .test }
    package.targets += [
        .target(name: "FuzzDriver", path: "Tests/Fuzz/FuzzDriver", swiftSettings: common),
        fuzzer("FuzzBatchCodec", "ScanBatchCodec"),
        fuzzer("FuzzManifest", "Snapshots"),
        fuzzer("FuzzMinisign", "Minisign"),
        fuzzer("FuzzCSV", "RegistrationLists"),
        fuzzer("FuzzPretix", "RegistrationLists"),
        fuzzer("FuzzNDEF", "Readers"),
        fuzzer("FuzzSUN", "Crypto", "Readers"),
        fuzzer("FuzzPN532", "DeviceEmulation"),
        fuzzer("FuzzHTTP", "HTTPServer", "FileSystem", "Runtime", "CenterHTTP"),
        fuzzer("FuzzAMQP", "Runtime", "AMQP", "TestSupport"),
        fuzzer("FuzzControl", "GateController"),
        fuzzer("FuzzEnrolment", "Crypto", "EnrolmentExchange"),
        fuzzer("FuzzPEM", "Crypto", "Certificates"),
    ]
}
