import CLI
import FileSystem
import Registry
import Runtime

extension Center {
    static let scanExport = [scanExportCommand]

    private static let scanExportCommand = Command(
        "scan export", "write the stored scans as CSV, denied ones included",
        options: [
            databaseURL,
            Option("out", "FILE", "file to write, with mode 600", required: true),
            Option("since", "TIME", "scans from this time on (RFC 3339; default all)"),
            Option("until", "TIME", "scans before this time (RFC 3339; default all)"),
            Option("zone", "NAME", "scans at the gates into or out of this zone or a zone within it"),
            Option("gate", "NAME", "scans at this gate"),
            .toggle("names", "with name, category and reference of the people"),
        ],
        details: """
            One row for each scan, in no particular order. Times are UTC. `time` is the time of the scan in all figures
            (docs/reference/sql-views.md), `scanned_at` that of the device. `counts`: the scan moved a person. A text that
            a spreadsheet would run as a formula has an apostrophe before it. The registration list is written by
            `export`.
            """
    ) { arguments in
        let url = try database(arguments)
        let path = try arguments.required("out")
        var selection = ScanExporter.Selection()
        selection.sinceMicros = try time("since", arguments)
        selection.untilMicros = try time("until", arguments)
        selection.zone = arguments["zone"]
        selection.gate = arguments["gate"]
        selection.hasNames = arguments.has("names")
        guard (selection.sinceMicros ?? .min) < (selection.untilMicros ?? .max) else {
            throw ProgramError.usage("--until must be later than --since")
        }
        return { [selection] in
            let line = ProgressLine()
            defer { line?.clear() }
            var rows = 0
            // No time limit: the duration depends on the number of scans.
            try withRegistry(url, statementTimeoutMs: 0) { _, connection in
                try Files.writeAtomically(to: path, mode: 0o600) { write in
                    rows = try ScanExporter(connection).write(
                        selection,
                        progress: { rows, expected in line?.show("\(rows) of at most \(expected) scans written") },
                        to: write)
                }
            }
            line?.clear()
            TextOutput.line("\(path): \(rows) scans")
        }
    }
}
