/// Status of one tag in the registry, as written in lists and on the command line.
package enum TagStatus: String, CaseIterable, Sendable { case active, lost, void }
