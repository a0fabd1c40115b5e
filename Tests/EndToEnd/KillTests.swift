import Glibc
import Runtime
import TestSupport
import Testing

/// SIGKILL at random moments loses no printed verdict, and stores no scan twice.
@Suite struct KillTests {
    static let kills = 100
    static let attendees = 40

    @Test func hundredKillsLoseNoVerdict() async throws {
        let seed = Environment.value("TAPLINE_TEST_SEED").flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("hundredKillsLoseNoVerdict: TAPLINE_TEST_SEED=\(seed)")
        try await NamedThread.run("kills") {
            var random = TestRandom(seed: seed)
            let servers = try OwnServers()
            let line = try SystemUnderTest(databaseURL: servers.databaseURL, amqpURL: servers.amqpURL)
            try prepare(line)
            let killed = try disturb(line, servers, &random)
            for victim in ["gate", "publisher", "center", "broker", "database"] {
                #expect(killed[victim, default: 0] > 0, "seed \(seed): no \(victim) was killed")
            }
            for scanner in line.scanners {
                scanner.gate?.closeInput()
                #expect(try scanner.gate?.wait() == .exit(0), "seed \(seed): gate \(scanner.id)")
            }
            try line.awaitAllStored()
            let wrong = try line.checkExactlyOnce()
            #expect(wrong == [], "seed \(seed)")
            let printed = try line.scanners.reduce(0) { try $0 + $1.printed().count }
            #expect(printed > KillTests.kills, "seed \(seed): the gates printed too few verdicts")
            let again = try line.database.number("SELECT sum(duplicates) FROM tapline.journals")
            let victims = killed.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            print("hundredKillsLoseNoVerdict: \(printed) verdicts, \(again) scans delivered again; killed \(victims)")
        }
    }

    private func uid(_ attendee: Int) -> String { "04aabbccdd\(attendee / 100)\(attendee / 10 % 10)\(attendee % 10)0" }

    private func prepare(_ line: SystemUnderTest) throws {
        for id in ["north", "south", "east"] {
            _ = try line.enrol(id, gate: "Gate \(id)", zone: id == "east" ? "Inner" : "Hall")
        }
        // Every fourth attendee is not registered.
        let rows = (0..<KillTests.attendees).filter { $0 % 4 != 0 }.map { "\(uid($0)),Person \($0),guest,Hall;Inner" }
        try line.importing((["uid,name,category,zones"] + rows).joined(separator: "\n") + "\n")
        try line.export()
        try line.startCenter()
        for scanner in line.scanners {
            try scanner.fetch()
            try scanner.startGate()
            try scanner.startPublisher()
        }
    }

    /// Taps at all gates and kills programs. Returns the number of kills by program.
    private func disturb(
        _ line: SystemUnderTest, _ servers: OwnServers, _ random: inout TestRandom
    ) throws -> [String: Int] {
        var killed: [String: Int] = [:]
        for round in 1...KillTests.kills {
            for scanner in line.scanners { try tap(scanner, &random) }
            // A random moment while the programs process the taps.
            usleep(.random(in: 0...40_000, using: &random))
            let scanner = line.scanners[Int.random(in: 0..<line.scanners.count, using: &random)]
            let victim: String
            switch round {
            case KillTests.kills / 2: victim = "broker"
            case KillTests.kills / 4, KillTests.kills * 3 / 4: victim = "database"
            default:
                victim = ["gate", "gate", "publisher", "publisher", "center"].randomElement(using: &random) ?? "gate"
            }
            killed[victim, default: 0] += 1
            switch victim {
            case "gate":
                scanner.gate?.kill()
                try scanner.startGate()
            case "publisher":
                scanner.publisher?.kill()
                try scanner.startPublisher()
            case "center":
                line.center?.kill()
                try line.startCenter()
            default:
                try servers.command("kill-\(victim)")
                for scanner in line.scanners { try tap(scanner, &random) }
                try servers.command("restart-\(victim)")
            }
        }
        return killed
    }

    /// Writes a few taps at once, and does not wait for their verdicts.
    private func tap(_ scanner: Scanner, _ random: inout TestRandom) throws {
        let taps = (0..<Int.random(in: 1...8, using: &random)).map { _ in
            let way = Bool.random(using: &random) ? "in" : "out"
            return "\(uid(.random(in: 0..<KillTests.attendees, using: &random))),\(way)\n"
        }
        try scanner.gate?.write(taps.joined())
    }
}
