/// The release that a program was built from.
package enum Software {
    /// Semantic version, printed by `--version` and reported in heartbeats.
    package static let version = "0.1.0"
}
