package import LinuxSystem

/// The networks whose clients see the counts without a token.
package enum OpenNetworks: Sendable, Equatable {
    /// Everyone, also behind a proxy and by any name of the server.
    case any
    /// The clients of these networks, if no proxy has passed the request on.
    case networks([IPNetwork])

    /// Networks of this machine only.
    package static let loopback = OpenNetworks.networks(IPNetwork.loopback)
    /// Networks that the internet does not route.
    package static let `private` = OpenNetworks.networks(IPNetwork.private)
    /// No network.
    package static let none = OpenNetworks.networks([])

    /// Parses `any`, `none`, or a list with commas of `loopback`, `private`, and networks such as `192.0.2.0/24`.
    ///
    /// - Parameter text: the list.
    /// - Returns: `nil` if a part has another form.
    package init?(_ text: String) {
        switch text {
        case "any": self = .any
        case "none": self = .none
        default:
            var all: [IPNetwork] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                switch part {
                case "loopback": all += IPNetwork.loopback
                case "private": all += IPNetwork.private
                default:
                    guard let network = IPNetwork(String(part)) else { return nil }
                    all.append(network)
                }
            }
            self = .networks(all)
        }
    }

    /// Returns whether an address is open. An unknown address (`nil`) is in no network.
    func contains(_ peer: IPAddress?) -> Bool {
        switch self {
        case .any: true
        case .networks(let networks): peer.map { peer in networks.contains { $0.contains(peer) } } ?? false
        }
    }
}
