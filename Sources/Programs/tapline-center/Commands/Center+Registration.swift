import CLI
import Registry
import ScanModel

extension Center {
    static let registration = [importList, exportList, setEvent] + tags

    private static let setEvent = Command(
        "event set", "set the name, the time zone and the day start of the event",
        options: [
            databaseURL, Option("name", "NAME", "name of the event; required the first time"),
            Option("time-zone", "ZONE", "time zone as in PostgreSQL, for example Asia/Dubai; Etc/UTC at first"),
            Option("day-start", "HH:MM", "local time at which the event day starts; 06:00 at first"),
            Option(
                "code-case", "exact|fold",
                "fold: codes that differ only in capital letters (A to Z) are the same code; exact at first"),
        ]
    ) { arguments in
        let url = try database(arguments)
        let (name, zone, start) = (arguments["name"], arguments["time-zone"], arguments["day-start"])
        let codeCase = try arguments.choice("code-case", CodeCase.self)
        guard name != nil || zone != nil || start != nil || codeCase != nil else {
            throw ProgramError.usage("one of --name, --time-zone, --day-start, --code-case is required")
        }
        return {
            try withRegistry(url) { registry in
                if name != nil || zone != nil || start != nil {
                    try registry.setEvent(name: name, timeZone: zone, dayStart: start)
                }
                let tags = try codeCase.map(registry.setCodeCase) ?? 0
                guard tags > 0 else { return }
                print(
                    "\(tags) tags are registered: codes with capital letters are unknown at the gates until the lists "
                        + "with codes are imported again (tapline-center import --replace-tags)")
            }
        }
    }
}
