import Postgres
import RegistrationLists
import Registry
import ScanModel
import TestSupport
import Testing

/// Zones and gates that a typing error would make, and the removal of those without use.
@Suite struct RegistryPlacesTests {
    private let world: RegistryFixture
    private var registry: RegistryStore { world.registry }

    init() throws { world = try RegistryFixture() }

    private func load(_ zones: String, makesZones: Bool = false) throws -> ImportSummary {
        try world.import("uid,name,zones\n04a1b2c3,Ada,\(zones)\n") { $0.makeZones = makesZones }
    }

    private func zones() throws -> [String] { try world.rows("SELECT name FROM tapline.zones ORDER BY name") }

    @Test func nameThatExistsIsRefusedInWords() throws {
        try world.registry.addZone("Hall", parent: nil, capacity: nil)
        let error = try world.rejected { try world.registry.addZone("Hall", parent: nil, capacity: nil) }
        #expect(error.description == "a zone of this name exists already")
    }

    @Test func zoneOfAListThatDoesNotExistIsRefused() throws {
        try registry.addZone("Main Hall", parent: nil, capacity: nil)
        let before = try world.picture()
        let error = try world.rejected { try load("Main Hal;Press") }
        #expect(error.description.contains("'Main Hal' ('Main Hall' exists: is it meant?)"))
        #expect(error.description.contains("'Press'") && error.description.contains("nothing was stored"))
        #expect(try world.picture() == before)
        let passes = try PassCSV(try world.write("name,zone\nGala,Main Hal\n", "passes.csv"))
        _ = try world.rejected { try registry.import(nil, passes: passes) }
        #expect(try world.picture() == before)
        #expect(try load("Press", makesZones: true).zonesMade == ["Press"])
        #expect(try load("Press;Main Hall").zonesMade.isEmpty)
    }

    @Test(arguments: ["", " ", "\u{200B}", "Hall ", "\u{A0}Hall", "Ha\u{200B}ll", "Ha\tll", "Ha\u{7F}ll"])
    func newNameThatMisleadsIsRefused(name: String) throws {
        try registry.addZone("Site", parent: nil, capacity: nil)
        try registry.addGate("Door", zone: "Site", fromZone: nil, policy: nil)
        let before = try world.picture()
        let lane = try #require(ScannerID("lane-9"))
        for change: () throws -> Void in [
            { try registry.addZone(name, parent: nil, capacity: nil) },
            { try registry.setZone("Site", newName: name, parent: .keep, capacity: .keep) },
            { try registry.addGate(name, zone: "Site", fromZone: nil, policy: nil) },
            { try registry.setGate("Door", newName: name, zone: nil, fromZone: .keep, policy: nil) },
            { _ = try registry.addScanner(lane, gate: name, zone: "Site") },
            { _ = try registry.addScanner(lane, gate: "New", zone: name, allowsSimilar: true) },
            { try world.setEvent { $0.name = name } },
        ] {
            let error = try world.rejected { try change() }
            guard case .invalidName = error else {
                Issue.record("\(error)")
                continue
            }
        }
        #expect(try world.picture() == before)
    }

    @Test(arguments: ["A;B", "A؛B", "A；B"]) func zoneNameWithSeparatorIsRefused(name: String) throws {
        let error = try world.rejected { try registry.addZone(name, parent: nil, capacity: nil) }
        #expect(error.description.contains("which separates names in imports"))
    }

    @Test func nameThatEndsWithAnEmojiIsTaken() throws {
        try registry.addZone("Hall \u{2B50}\u{FE0F}", parent: nil, capacity: nil)
    }

    @Test func firstListMakesItsZones() throws {
        // As an export of zones that look alike, which must restore into an empty database.
        let first = try load("Main Hall;Main Hal;Press")
        #expect(first.zonesMade.count == 3)
        #expect(first.warnings.count == 1 && first.warnings[0].contains("'Main Hal', 'Main Hall'"), "\(first.warnings)")
    }

    @Test func gateOrZoneWithNearlyAnExistingNameIsRefused() throws {
        let ids = try (1...3).map { try #require(ScannerID("lane-\($0)")) }
        _ = try registry.addScanner(ids[0], gate: "Gate 1", zone: "Festival")
        _ = try registry.addScanner(ids[1], gate: "Gate 2", zone: "Festival")
        let gate = try world.rejected { try registry.addScanner(ids[2], gate: "Gat 1", zone: "Festival") }
        #expect(gate.description.contains("gate 'Gat 1'") && gate.description.contains("'Gate 1'"))
        let zone = try world.rejected { try registry.addScanner(ids[2], gate: "North", zone: "Festivl") }
        #expect(zone.description.contains("zone 'Festivl' ('Festival' exists"))
        #expect(try zones() == ["Festival"])
        _ = try registry.addScanner(ids[2], gate: "Gat 1", zone: "Festivl", allowsSimilar: true)
        #expect(try zones() == ["Festival", "Festivl"])
    }

    @Test(arguments: ["festival", "FESTIVAL", "Festi val", "Ｆｅｓｔｉｖａｌ", "Feﬆival"])
    func nameThatLooksLikeAnExistingOneIsRefused(name: String) throws {
        try registry.addZone("Festival", parent: nil, capacity: nil)
        try registry.addZone("Hall", parent: nil, capacity: nil)
        try registry.addGate("Festival", zone: "Hall", fromZone: nil, policy: nil)
        try registry.addGate("Door", zone: "Hall", fromZone: nil, policy: nil)
        let before = try world.picture()
        let lane = try #require(ScannerID("lane-9"))
        for change: () throws -> Void in [
            { try registry.addZone(name, parent: nil, capacity: nil) },
            { try registry.setZone("Hall", newName: name, parent: .keep, capacity: .keep) },
            { try registry.addGate(name, zone: "Hall", fromZone: nil, policy: nil) },
            { try registry.setGate("Door", newName: name, zone: nil, fromZone: .keep, policy: nil) },
            { _ = try registry.addScanner(lane, gate: name, zone: "Hall", allowsSimilar: true) },
            { _ = try registry.addScanner(lane, gate: "New", zone: name, allowsSimilar: true) },
        ] {
            let error = try world.rejected { try change() }
            guard case .nameLooksEqual = error else {
                Issue.record("\(error)")
                continue
            }
            #expect(error.description.contains("'\(name)' differs from the existing"))
            #expect(error.description.contains("'Festival' only in case, blanks or Unicode form: use the existing"))
        }
        #expect(try world.picture() == before)
        // A place may change the look of its name, and a name that is merely near stays possible.
        try registry.setZone("Festival", newName: name, parent: .keep, capacity: .keep)
        try registry.setGate("Festival", newName: name, zone: nil, fromZone: .keep, policy: nil)
        try registry.addZone("Festivals", parent: nil, capacity: nil)
    }

    @Test func unknownPlaceIsReportedWithTheNearest() throws {
        try registry.addZone("Festival", parent: nil, capacity: nil)
        let error = try world.rejected { try registry.addGate("Main", zone: "Festvial", fromZone: nil, policy: nil) }
        #expect(error.description.contains("'Festival' exists"))
    }

    @Test(arguments: [("zone", "--parent"), ("gate", "--from-zone")])
    func changeWithoutOptionsIsAUsageError(place: String, option: String) throws {
        let run = try Run.it("tapline-center", [place, "set", "Hall", "--database-url", world.database.url])
        #expect(run.end == .exit(64))
        #expect(run.errors.contains("one of --name, ") && run.errors.contains(option), "\(run.errors)")
    }

    @Test func usedZoneIsNotRemovedAndTheUsersAreNamed() throws {
        try registry.addZone("Site", parent: nil, capacity: nil)
        try registry.addZone("Hall", parent: "Site", capacity: nil)
        try registry.addZone("Spare", parent: nil, capacity: nil)
        try registry.addGate("Main", zone: "Hall", fromZone: "Site", policy: nil)
        try world.importPasses("name,zone\nGala,Hall\n")
        let hall = try world.rejected { try registry.removeZone("Hall") }.description
        #expect(hall.contains("gates 'Main'") && hall.contains("passes 'Gala'"), "\(hall)")
        let site = try world.rejected { try registry.removeZone("Site") }.description
        #expect(site.contains("zones within it 'Hall'") && site.contains("gates 'Main'"), "\(site)")
        try registry.removeZone("Spare")
        #expect(try zones() == ["Hall", "Site"])
        _ = try world.rejected { try registry.removeZone("Spare") }
    }

    @Test func usedGateIsNotRemovedAndTheUsersAreNamed() throws {
        let id = try #require(ScannerID("lane-1"))
        _ = try registry.addScanner(id, gate: "Main", zone: "Hall")
        try registry.addGate("Side", zone: "Hall", fromZone: nil, policy: nil)
        try world.connection.execute(
            """
            INSERT INTO tapline_internal.gate_flow (gate_id, slot) SELECT id, now() FROM tapline.gates
            WHERE name = 'Side'
            """)
        #expect(try world.rejected { try registry.removeGate("Main") }.description.contains("scanners 'lane-1'"))
        #expect(try world.rejected { try registry.removeGate("Side") }.description.contains("scans are stored"))
        #expect(try registry.removeScanner(id) == .deleted)
        try registry.removeGate("Main")
        #expect(try world.rows("SELECT name FROM tapline.gates") == ["Side"])
    }
}
