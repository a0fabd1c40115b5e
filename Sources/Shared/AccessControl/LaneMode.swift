/// How the lane works at the moment.
package enum LaneMode: String, Codable, Sendable, CaseIterable {
    case normal
    /// The supervisor has opened the lane: everybody passes, taps are still logged.
    case free
    /// No way in; the way out stays open.
    case closed
}
