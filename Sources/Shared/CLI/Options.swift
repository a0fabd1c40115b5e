/// One setting: a flag, and the environment variable `TAPLINE_<FLAG>` that stands in for it. The flag wins.
package struct Option: Sendable {
    package enum Kind: Sendable, Equatable {
        case value, repeated, toggle
        /// A value that may also come from a file: `--<flag>-file PATH` or `TAPLINE_<FLAG>_FILE`.
        case secret
        /// Several of those, one a line in the file: broker URLs, which hold passwords.
        case secrets
    }

    package let flag: String
    package let placeholder: String
    package let help: String
    package let kind: Kind
    package let fallback: String?
    package let isRequired: Bool
    /// The flag that says the same in another way: given with more weight, it silences this one.
    package let alternative: String?

    /// - Parameter flag: without the dashes, `database-url`.
    package init(
        _ flag: String, _ placeholder: String = "", _ help: String, kind: Kind = .value,
        default fallback: String? = nil,
        required: Bool = false, alternative: String? = nil
    ) {
        (self.flag, self.placeholder, self.help, self.kind) = (flag, placeholder, help, kind)
        (self.fallback, isRequired, self.alternative) = (fallback, required, alternative)
    }

    package static func toggle(_ flag: String, _ help: String) -> Option { Option(flag, "", help, kind: .toggle) }

    /// For programs of a scanner: the file that the device got when it was enrolled. Weighs less than the environment.
    package static let enrolment = Option(
        "enrolment", "FILE", "the device's settings, TAPLINE_...=VALUE a line, mode 600; flags and environment win")

    var isSecret: Bool { kind == .secret || kind == .secrets }
    var isRepeatable: Bool { kind == .repeated || kind == .secrets }

    var variable: String {
        "TAPLINE_" + String(flag.map { $0 == "-" ? "_" : Character($0.uppercased()) })
    }
}

/// What was given, after flag > environment > default.
package struct Arguments: Sendable {
    let values: [String: [String]]
    /// The words that are neither command nor flag, in order.
    package let positionals: [String]

    package init(values: [String: [String]], positionals: [String] = []) {
        self.values = values
        self.positionals = positionals
    }

    /// The setting, or nil when it was neither given nor has a default.
    package subscript(_ flag: String) -> String? { values[flag]?.last }
    package func all(_ flag: String) -> [String] { values[flag] ?? [] }
    package func has(_ flag: String) -> Bool { values[flag] != nil }

    /// Throws `ProgramError` (configuration) when the setting is missing.
    package func required(_ flag: String) throws -> String {
        guard let value = self[flag], !value.isEmpty else {
            throw ProgramError.configuration("--\(flag) is needed (see --help)")
        }
        return value
    }

    /// A whole number within `range`; nil when not given.
    package func int(_ flag: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = self[flag] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ProgramError.configuration(
                "--\(flag) \(text): a whole number from \(range.lowerBound) to \(range.upperBound) is needed")
        }
        return value
    }

    package func choice<Choice: RawRepresentable & CaseIterable>(_ flag: String, _ type: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        guard let text = self[flag] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw ProgramError.configuration("--\(flag) \(text): one of \(names) is needed")
        }
        return choice
    }
}
