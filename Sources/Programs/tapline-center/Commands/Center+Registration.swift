import CLI
import Registry

extension Center {
    static let registration = [importList, exportList, setEvent] + tags

    private static let setEvent = Command(
        "event set", "set the name, the time zone and the day start of the event",
        options: [
            databaseURL, Option("name", "NAME", "the name; required the first time"),
            Option("time-zone", "ZONE", "a time zone of PostgreSQL, such as Asia/Dubai; at first Etc/UTC"),
            Option("day-start", "HH:MM", "start of the event day, a time without visitors; at first 06:00"),
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
