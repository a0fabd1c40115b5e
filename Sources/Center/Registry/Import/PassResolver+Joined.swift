import RegistrationLists
import Runtime

/// Joined passes: an import creates them for attendees with several passes, such as a ticket and its add-ons.
extension PassResolver {
    /// Separates the parts in the name of a joined pass.
    static let joint = " + "

    private typealias Part = RegistrationRow.AccessSet.Part

    /// Returns the combined access of the parts, by their passes now.
    func access(of parts: [RegistrationRow.AccessSet.Part]) -> Set<Access> {
        var access: Set<Access> = []
        for part in parts {
            for (_, row) in named[part.pass]?.access ?? [] {
                let from = [row.from, part.from].compactMap(\.self).max()
                let until = [row.until, part.until].compactMap(\.self).min()
                if let from, let until, from >= until { continue }
                access.insert(Access(zone: row.zone, from: from, until: until))
            }
        }
        return access
    }

    /// Returns the passes whose name consists of other passes, and whose access is that of these parts. Other passes
    /// with such a name were changed on purpose.
    ///
    /// - Parameter listed: names of passes that are left out.
    /// - Returns: the passes in an order in which they can be created: parts before the passes that are joined of them.
    func joinedPasses(
        except listed: Set<String>
    ) -> [(name: String, parts: [RegistrationRow.AccessSet.Part])] {
        named.values.compactMap { pass in
            guard let name = pass.name, !listed.contains(name), let parts = parts(name), isJoined(pass, parts) else {
                return nil
            }
            return (name, parts)
        }.sorted { ($0.name.utf8.count, $0.name) < ($1.name.utf8.count, $1.name) }
    }

    /// Returns whether a pass has the access and the properties that joining the parts gives.
    func isJoined(_ pass: Pass, _ parts: [RegistrationRow.AccessSet.Part]) -> Bool {
        guard let first = parts.first.flatMap({ named[$0.pass] }) else { return false }
        return (pass.colour, pass.note, pass.reentry) == (first.colour, first.note, first.reentry)
            && Set(pass.access.map(\.1)) == access(of: parts)
    }

    /// Returns the parts in a name, or `nil` if it is not the name of a joined pass.
    private func parts(_ name: String) -> [Part]? {
        var parts: [Part] = []
        var pieces = name.split(separator: Self.joint, omittingEmptySubsequences: false)[...]
        while !pieces.isEmpty {
            // The longest first: the name of a part can contain the separator.
            let found = (1...pieces.count).reversed().lazy.compactMap { count in
                self.part(pieces.prefix(count).joined(separator: Self.joint), of: name).map { (count, $0) }
            }.first
            guard let (count, part) = found else { return nil }
            parts.append(part)
            pieces = pieces.dropFirst(count)
        }
        return parts
    }

    private func part(_ text: String, of name: String) -> Part? {
        if text != name, named[text] != nil { return Part(pass: text) }
        // The format of `Part.description`.
        guard let times = text.split(separator: " (").last, times.count + 2 < text.count else { return nil }
        var part = Part(pass: String(text.dropLast(times.count + 2)))
        let words = times.dropLast().split(separator: " ")
        for (word, time) in zip(words, words.dropFirst()) {
            if word == "from" { part.from = UTCTime.microseconds(time) }
            if word == "until" { part.until = UTCTime.microseconds(time) }
        }
        return named[part.pass] != nil && part.description == text ? part : nil
    }
}
