import Glibc
import Runtime

/// Secrets on the command line, which every user of the machine can read in `/proc/PID/cmdline`.
enum SecretArguments {
    /// A value of an option that can hold a secret, or an enrolment token.
    struct Place: Equatable {
        /// The flag with its dashes, or `TOKEN`.
        var name: String
        /// Index in the words of the command line.
        var index: Int
        /// Number of bytes before the value in that word.
        var offset: Int
    }

    /// Finds the values.
    ///
    /// - Parameters:
    ///   - words: the command line without the name of the program.
    ///   - flags: the flags that can hold a secret, without their dashes.
    static func places(in words: [String], flags: Set<String>) -> [Place] {
        var places: [Place] = []
        var index = 0
        var hasFlags = true
        while index < words.count {
            let word = words[index]
            index += 1
            // Also in a command that is mistyped.
            if SecretText.isEnrolmentToken(word) {
                places.append(Place(name: "TOKEN", index: index - 1, offset: 0))
                continue
            }
            if word == "--" { hasFlags = false }
            guard hasFlags, word.hasPrefix("--") else { continue }
            let flag = String(word.dropFirst(2).prefix { $0 != "=" })
            guard flags.contains(flag) else { continue }
            if word.utf8.count > flag.utf8.count + 2 {
                places.append(Place(name: "--\(flag)", index: index - 1, offset: flag.utf8.count + 3))
            } else if index < words.count {
                places.append(Place(name: "--\(flag)", index: index, offset: 0))
                index += 1
            }
        }
        return places
    }

    /// Overwrites the values in the memory that the kernel shows as the command line, and warns.
    ///
    /// - Parameter words: the command line without the name of the program, read before.
    static func take(_ words: [String], flags: Set<String>) {
        var warned: Set<String> = []
        for place in places(in: words, flags: flags) {
            // The name of the program comes first.
            if place.index + 1 < Int(CommandLine.argc), let word = CommandLine.unsafeArgv[place.index + 1] {
                let value = word + min(place.offset, strlen(word))
                memset(value, Int32(UInt8(ascii: "*")), strlen(value))
            }
            let value = String(decoding: words[place.index].utf8.dropFirst(place.offset), as: UTF8.self)
            guard SecretText.isSecret(value), warned.insert(place.name).inserted else { continue }
            Log("settings").warning(
                "secret on the command line, where other users can see it: use a file, environment or standard input",
                [.name: place.name])
        }
    }
}
