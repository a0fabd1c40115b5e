import Snapshots

extension Manifest {
    /// Whether another is to follow, though nothing has changed: it is older than is wanted, or half of its own time until expiry
    /// is over, however short that is. Seconds since 1970.
    func isDue(freshSinceS: Int64, nowS: Int64) -> Bool {
        Manifest.isDue(createdS: created, expiresS: expires, freshSinceS: freshSinceS, nowS: nowS)
    }

    static func isDue(createdS: Int64, expiresS: Int64, freshSinceS: Int64, nowS: Int64) -> Bool {
        createdS < freshSinceS || nowS >= createdS + (expiresS - createdS) / 2
    }
}
