import CLI
import Runtime
import ViewerAccess

/// The commands for the tokens of viewers: docs/operating/viewers.md.
extension Center {
    static let tokens = [tokenMake, tokenList, tokenRevoke]

    private static let daysRange = 1...3_650

    private static let tokenMake = Command(
        "token make", positionals: "NAME", count: 1...1,
        "make a token for a person, a screen or a program that looks at the wall, and print it once",
        options: [
            databaseURL,
            Option(
                "role", "ROLE",
                "viewer: counts and metrics; viewer-names: also names, the search for people, reasons of refusals",
                required: true),
            Option("days", "N", "days of validity, \(daysRange.lowerBound) to \(daysRange.upperBound)", default: "30"),
        ],
        details: """
            The first line of the output is the token: paste it at /login, or send it as
            "Authorization: Bearer TOKEN". The database holds its hash only, so it cannot be shown again.
            Centers accept it within three seconds.
            """
    ) { arguments in
        let (url, name) = (try database(arguments), arguments.positionals[0])
        _ = try arguments.required("role")
        let role = try arguments.choice("role", ViewerRole.self) ?? .counts
        let days = try arguments.int("days", daysRange) ?? 30
        return {
            let token = try withRegistry(url) { _, connection in
                try ViewerTokenStore(connection).make(name: name, role: role, expiresS: days * 86_400)
            }
            TextOutput.line(token)
            TextOutput.line("token of '\(name)', role \(role.rawValue), valid for \(days) days; it is not shown again")
        }
    }

    private static let tokenList = list(
        "token list", "list the tokens of viewers, without their texts",
        """
        SELECT name, role, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired'
            ELSE 'valid' END AS state, made_at, expires_at, revoked_at
        FROM tapline_internal.viewer_tokens ORDER BY made_at, name
        """)

    private static let tokenRevoke = Command(
        "token revoke", positionals: "NAME", count: 1...1,
        "revoke a token; centers refuse it within three seconds, also on open pages",
        options: [databaseURL]
    ) { arguments in
        let (url, name) = (try database(arguments), arguments.positionals[0])
        return {
            try withRegistry(url) { _, connection in try ViewerTokenStore(connection).revoke(name: name) }
            TextOutput.line("token of '\(name)' is revoked")
        }
    }
}
