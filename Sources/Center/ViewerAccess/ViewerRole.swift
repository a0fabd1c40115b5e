/// What a viewer may see over HTTP. No role permits a change.
package enum ViewerRole: String, Sendable, CaseIterable {
    /// Counts: the wall, its states, and metrics.
    case counts = "viewer"
    /// Also names, the search for people, and the reasons of refusals.
    case names = "viewer-names"
}
