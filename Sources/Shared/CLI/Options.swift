import FileSystem

/// An option of a command: the flag, and the environment variable `TAPLINE_<FLAG>`, which the flag overrides.
package struct Option: Sendable {
    /// Number and source of an option's values.
    package enum Kind: Sendable, Equatable {
        case value, repeated, toggle
        /// A value that a file may hold: `--<flag>-file PATH` or `TAPLINE_<FLAG>_FILE`.
        case secret
        /// Several secrets, one per line of the file, for example broker URLs with passwords.
        case secrets
    }

    /// The flag without its dashes, for example `database-url`.
    package let flag: String
    /// Name of the value in help texts; empty for a toggle.
    package let placeholder: String
    /// Meaning of the option: a phrase without a period at its end.
    package let help: String
    /// Number and source of the values.
    package let kind: Kind
    /// The default value; `nil` without one.
    package let fallback: String?
    /// Whether the command fails without a value.
    package let isRequired: Bool
    /// A flag with the same meaning. If a source of higher priority sets it, this option is ignored.
    package let alternative: String?
    /// Options that each command with this option has as well.
    package let companions: [Option]
    /// Whether the value is a secret that another option reads from a file.
    package let isConcealed: Bool

    /// - Parameters:
    ///   - flag: the flag without its dashes, for example `database-url`.
    ///   - placeholder: name of the value in help texts; empty for a toggle.
    ///   - help: meaning of the option: a phrase without a period at its end.
    ///   - kind: number and source of the values.
    ///   - fallback: the default; `nil` without one.
    ///   - isRequired: whether the option must be given.
    ///   - alternative: a flag with the same meaning, without its dashes.
    ///   - companions: options that each command with this option has as well.
    ///   - isConcealed: whether the value is a secret, although `kind` is not.
    package init(
        _ flag: String, _ placeholder: String = "", _ help: String, kind: Kind = .value,
        default fallback: String? = nil, required isRequired: Bool = false, alternative: String? = nil,
        companions: [Option] = [], isConcealed: Bool = false
    ) {
        self.flag = flag
        self.placeholder = placeholder
        self.help = help
        self.kind = kind
        self.fallback = fallback
        self.isRequired = isRequired
        self.alternative = alternative
        self.companions = companions
        self.isConcealed = isConcealed
    }

    /// Creates an option without a value, which is off by default.
    ///
    /// - Parameters:
    ///   - flag: the flag without its dashes.
    ///   - help: meaning of the option: a phrase without a period at its end.
    /// - Returns: the option.
    package static func toggle(_ flag: String, _ help: String) -> Option { Option(flag, "", help, kind: .toggle) }

    /// The enrolment file, for programs of a scanner. The environment overrides it.
    package static let enrolment = Option(
        "enrolment", "FILE",
        "settings of the device, TAPLINE_...=VALUE, one per line, mode 600; flags and environment "
            + "variables override it")

    var isSecret: Bool { kind == .secret || kind == .secrets }
    var isRepeatable: Bool { kind == .repeated || kind == .secrets }

    var variable: String {
        "TAPLINE_" + String(flag.map { $0 == "-" ? "_" : Character($0.uppercased()) })
    }
}

/// The values of a command's options after flags, environment and defaults, and its positional arguments.
package struct Arguments: Sendable {
    let values: [String: [String]]
    /// The arguments that are neither command nor option, in order.
    package let positionals: [String]
    /// Whether `--check` is given: the settings are checked, and the command does not run.
    package internal(set) var isCheck = false

    /// Creates arguments, as the parser does.
    ///
    /// - Parameters:
    ///   - values: the values by flag, without the dashes; `true` for a toggle that is set.
    ///   - positionals: the positional arguments, in order.
    package init(values: [String: [String]], positionals: [String] = []) {
        self.values = values
        self.positionals = positionals
    }

    /// The value of an option; the last one if it was repeated, `nil` without a value and default.
    package subscript(_ flag: String) -> String? { values[flag]?.last }
    /// All values of an option, in order.
    package func all(_ flag: String) -> [String] { values[flag] ?? [] }
    /// Whether an option has a value, or a toggle is set.
    package func has(_ flag: String) -> Bool { values[flag] != nil }

    /// Returns the value of an option.
    ///
    /// - Throws: `ProgramError` (configuration) if it is missing or empty.
    package func required(_ flag: String) throws -> String {
        guard let value = self[flag], !value.isEmpty else {
            throw ProgramError.configuration("--\(flag) is required (see --help)")
        }
        return value
    }

    /// Returns an option as a whole number.
    ///
    /// - Parameters:
    ///   - flag: the flag.
    ///   - range: the accepted numbers.
    /// - Returns: the number; `nil` if the option has no value.
    /// - Throws: `ProgramError` (configuration) for another text and for a number outside of the range.
    package func int(_ flag: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = self[flag] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ProgramError.configuration(
                "--\(flag) \(text): must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Returns an option as one of the values of an enumeration.
    ///
    /// - Parameters:
    ///   - flag: the flag.
    ///   - type: the enumeration.
    /// - Returns: the case; `nil` if the option has no value.
    /// - Throws: `ProgramError` (configuration) for another text.
    package func choice<Choice: RawRepresentable & CaseIterable>(_ flag: String, _ type: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        guard let text = self[flag] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw ProgramError.configuration("--\(flag) \(text): must be one of \(names)")
        }
        return choice
    }

    /// Returns an option as the path of a file.
    ///
    /// - Parameter flag: the flag.
    /// - Returns: the path; `nil` if the option has no value.
    /// - Throws: `ProgramError` (configuration) if there is no such file.
    package func existingFile(_ flag: String) throws -> String? {
        guard let path = self[flag] else { return nil }
        guard Files.exists(path) else { throw ProgramError.configuration("--\(flag) \(path): no such file") }
        return path
    }

    /// Returns an option as the path of a file with a private key, which other users may not read.
    ///
    /// - Parameter flag: the flag.
    /// - Returns: the path; `nil` if the option has no value.
    /// - Throws: `ProgramError` (configuration) if there is no such file, or others may read it.
    package func privateFile(_ flag: String) throws -> String? {
        guard let path = try existingFile(flag) else { return nil }
        if let problem = Files.exposure(path, .certificateKey) {
            throw ProgramError.configuration("--\(flag) \(path): the file holds a private key, and \(problem)")
        }
        return path
    }
}
