import CLI
import Registry

extension Center {
    static let places = [zoneAdd, zoneSet, zoneRemove, zoneList, gateAdd, gateSet, gateRemove, gateList]

    private static let capacityRange = 0...100_000_000
    /// Percentages of the capacity, which people may exceed.
    private static let thresholdRange = 1...1_000

    private static let zoneAdd = Command(
        "zone add", positionals: "NAME", count: 1...1, "create a zone",
        options: [
            databaseURL, Option("parent", "ZONE", "enclosing zone"),
            Option("capacity", "N", "maximum number of people"),
        ]
    ) { arguments in
        let (url, name, parent) = (try database(arguments), arguments.positionals[0], arguments["parent"])
        let capacity = try arguments.int("capacity", capacityRange)
        return { try withRegistry(url) { try $0.addZone(name, parent: parent, capacity: capacity) } }
    }

    private static let zoneSet = Command(
        "zone set", positionals: "NAME", count: 1...1, "change a zone",
        options: [
            databaseURL, Option("name", "NAME", "new name"),
            Option("parent", "ZONE", "enclosing zone; '' for none"),
            Option("capacity", "N", "maximum number of people; '' for no limit"),
            Option("busy-percent", "N", "percentage of the capacity from which the zone is busy"),
            Option("full-percent", "N", "percentage of the capacity from which the zone is full"),
        ]
    ) { arguments in
        let (url, name, newName) = (try database(arguments), arguments.positionals[0], arguments["name"])
        let parent = RegistryStore.Change<String>.text(arguments["parent"])
        let capacity: RegistryStore.Change<Int> =
            arguments["capacity"] == ""
            ? .clear : try arguments.int("capacity", capacityRange).map { .set($0) } ?? .keep
        let busy = try arguments.int("busy-percent", thresholdRange)
        let full = try arguments.int("full-percent", thresholdRange)
        try requireOne(of: ["name", "parent", "capacity", "busy-percent", "full-percent"], arguments)
        return {
            try withRegistry(url) {
                try $0.setZone(
                    name, newName: newName, parent: parent, capacity: capacity, busyPercent: busy, fullPercent: full)
            }
        }
    }

    /// - Throws: `ProgramError.usage` if no option is given.
    private static func requireOne(of flags: [String], _ arguments: Arguments) throws {
        guard !flags.contains(where: arguments.has) else { return }
        throw ProgramError.usage("one of \(flags.map { "--\($0)" }.joined(separator: ", ")) is required")
    }

    private static let zoneRemove = Command(
        "zone remove", positionals: "NAME", count: 1...1,
        "remove a zone without gates, passes, inner zones and people", options: [databaseURL]
    ) { arguments in
        let (url, name) = (try database(arguments), arguments.positionals[0])
        return {
            try withRegistry(url) { try $0.removeZone(name) }
            TextOutput.line("zone '\(name)' is removed")
        }
    }

    private static let gateRemove = Command(
        "gate remove", positionals: "NAME", count: 1...1, "remove a gate without scanners and scans",
        options: [databaseURL]
    ) { arguments in
        let (url, name) = (try database(arguments), arguments.positionals[0])
        return {
            try withRegistry(url) { try $0.removeGate(name) }
            TextOutput.line("gate '\(name)' is removed")
        }
    }

    private static let zoneList = list(
        "zone list", "list the zones with their parents and occupancy",
        """
        SELECT zone_id AS id, z.name, p.name AS parent, z.capacity, inside, inside_total, lanes, lanes_silent
        FROM tapline.live_zones z LEFT JOIN tapline.zones p ON p.id = z.parent_id ORDER BY path
        """)

    private static let policy = Option(
        "policy", "JSON",
        "antipassback, minutes, debounce_ms, tolerance_s, no_snapshot, expired, uid_only (docs/reference/policy.md)")

    private static let gateAdd = Command(
        "gate add", positionals: "NAME", count: 1...1, "create a gate",
        options: [
            databaseURL, Option("zone", "ZONE", "zone on the inner side", required: true),
            Option("from-zone", "ZONE", "zone on the outer side (default off site)"), policy,
        ]
    ) { arguments in
        let (url, name) = (try database(arguments), arguments.positionals[0])
        let (zone, from, policy) = (try arguments.required("zone"), arguments["from-zone"], arguments["policy"])
        return { try withRegistry(url) { try $0.addGate(name, zone: zone, fromZone: from, policy: policy) } }
    }

    private static let gateSet = Command(
        "gate set", positionals: "NAME", count: 1...1, "change a gate; --policy replaces the whole policy",
        options: [
            databaseURL, Option("name", "NAME", "new name"), Option("zone", "ZONE", "zone on the inner side"),
            Option("from-zone", "ZONE", "zone on the outer side; '' for off site"), policy,
            Option("drop-percent", "N", "alarm if the flow drops by this percentage; '' for no alarm"),
            Option("drop-minutes", "N", "length of the two compared intervals, in minutes"),
            Option("drop-minimum", "N", "no alarm if fewer people passed in the earlier interval"),
        ]
    ) { arguments in
        let (url, name, newName) = (try database(arguments), arguments.positionals[0], arguments["name"])
        let (zone, policy) = (arguments["zone"], arguments["policy"])
        let from = RegistryStore.Change<String>.text(arguments["from-zone"])
        try requireOne(
            of: ["name", "zone", "from-zone", "policy", "drop-percent", "drop-minutes", "drop-minimum"], arguments)
        let alarm = try dropAlarm(arguments)
        return {
            try withRegistry(url) { registry in
                try registry.setGate(name, newName: newName, zone: zone, fromZone: from, policy: policy)
                if let alarm { try registry.setDropAlarm(newName ?? name, alarm) }
            }
        }
    }

    /// - Returns: `nil` if no option of the alarm is given.
    private static func dropAlarm(_ arguments: Arguments) throws -> RegistryStore.DropAlarm? {
        var alarm = RegistryStore.DropAlarm()
        let isCleared = arguments["drop-percent"] == ""
        let percent = isCleared ? nil : try arguments.int("drop-percent", 1...100)
        alarm.percent = isCleared ? .clear : percent.map { .set($0) } ?? .keep
        alarm.minutes = try arguments.int("drop-minutes", 1...60)
        alarm.minimum = try arguments.int("drop-minimum", 1...1_000_000)
        let isGiven = isCleared || percent != nil || alarm.minutes != nil || alarm.minimum != nil
        return isGiven ? alarm : nil
    }

    private static let gateList = list(
        "gate list", "list the gates with their zones and policies",
        """
        SELECT g.id, g.name, z.name AS zone, f.name AS from_zone, g.policy,
            (SELECT count(*) FROM tapline.scanners s WHERE s.gate_id = g.id AND s.enabled) AS scanners
        FROM tapline.gates g JOIN tapline.zones z ON z.id = g.zone_id LEFT JOIN tapline.zones f ON f.id = g.from_zone_id
        ORDER BY g.name
        """)
}
