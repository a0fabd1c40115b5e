import CLI
import Registry

extension Center {
    static let registration = [importList, exportList, setEvent] + tags

    private static let setEvent = Command(
        "event set", "set the name, the time zone and the day start of the event",
        options: [
            databaseURL, Option("name", "NAME", "name of the event; required the first time"),
            Option("time-zone", "ZONE", "time zone as in PostgreSQL, for example Asia/Dubai; Etc/UTC at first"),
            Option("day-start", "HH:MM", "local time at which the event day starts; 06:00 at first"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let (name, zone, start) = (arguments["name"], arguments["time-zone"], arguments["day-start"])
        guard name != nil || zone != nil || start != nil else {
            throw ProgramError.usage("one of --name, --time-zone, --day-start is required")
        }
        return {
            try withRegistry(url) { try $0.setEvent(name: name, timeZone: zone, dayStart: start) }
        }
    }
}
