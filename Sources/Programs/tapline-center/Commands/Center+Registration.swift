import CLI
import Registry

extension Center {
    static let registration = [importList, exportList, setEvent] + tags

    private static let setEvent = Command(
        "event set", "name the event, its time zone, and when its day begins",
        options: [
            databaseURL, Option("name", "NAME", "needed the first time"),
            Option("time-zone", "ZONE", "as PostgreSQL knows it, Asia/Dubai; Etc/UTC at first"),
            Option("day-start", "HH:MM", "when nobody is inside any more; 06:00 at first"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let (name, zone, start) = (arguments["name"], arguments["time-zone"], arguments["day-start"])
        guard name != nil || zone != nil || start != nil else {
            throw ProgramError.usage("one of --name, --time-zone, --day-start is needed")
        }
        return {
            try withRegistry(url) { try $0.setEvent(name: name, timeZone: zone, dayStart: start) }
        }
    }
}
