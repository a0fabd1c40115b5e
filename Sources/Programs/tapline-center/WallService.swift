import CLI
import CenterHTTP
import HTTPServer
import Ingest
import LiveState
import People
import Runtime
import ScanModel
import ViewerAccess
import WallPages

/// The wall in the daemon: its pages, its states, the search for people, and who may see them.
struct WallService: Sendable {
    static let options = [
        Option(
            "open-counts", "NETWORKS",
            "networks that see counts without a token: loopback, private, NET such as 192.0.2.0/24, separated by commas; "
                + "none; or any, also behind a proxy", default: "private"),
        Option(
            "http-name", "HOST",
            "name of this server by which these networks may see counts; numbers, names without a dot, and names such "
                + "as center.local always may", kind: .repeated),
        Option(
            "event-key-file", "FILE", "file with the event key, for the search by the text of a code or a UID"),
    ]

    let viewers: ViewerPolicy
    private let access: ViewerAccess
    private let hub: HTTPStreamHub
    private let depths: QueueDepths
    private let state: LiveState
    private let desk: PeopleDesk

    init(_ arguments: Arguments, _ settings: IngestSettings, _ ingest: IngestService, metrics: Metrics) throws {
        let text = try arguments.required("open-counts")
        guard let open = OpenNetworks(text) else {
            throw ProgramError.configuration(
                "--open-counts \(text): must be any, none, or a list of loopback, private and networks such as "
                    + "192.0.2.0/24 or 2001:db8::/32, whose bits after the length are 0")
        }
        let url = settings.databaseURL
        let access = ViewerAccess(databaseURL: url)
        self.access = access
        viewers = ViewerPolicy(open: open, names: arguments.all("http-name")) { access.validity(token: $0) }
        let (hub, number) = (HTTPStreamHub(), Counter())
        self.hub = hub
        let depths = QueueDepths(settings, metrics: metrics)
        self.depths = depths
        state = LiveState(
            databaseURL: url, metrics: metrics, broker: { WallService.broker(ingest.health.broker, depths) },
            database: { WallService.server(ingest.health.database) }, isBacklog: { ingest.isStoringBacklog },
            viewers: { hub.readers },
            queues: {
                LiveState.Queues(
                    ready: depths.counts.ready, unacked: ingest.unacknowledged, dead: depths.counts.dead)
            },
            publish: { frame in
                number.add()
                hub.publish(LiveEndpoints.event(frame, number: number.value))
            })
        desk = PeopleDesk(
            databaseURL: url, snapshots: arguments["snapshots"],
            eventKey: arguments.has("event-key-file") ? try arguments.eventKey() : nil)
    }

    /// The connections that consume notice a silent network only by missed heartbeats. The depths notice it first.
    private static func broker(_ connection: IngestHealth.Connection, _ depths: QueueDepths) -> LiveState.Server {
        guard connection.isConnected, let since = depths.silentSinceMicros else { return server(connection) }
        return LiveState.Server(isConnected: false, sinceS: since / 1_000_000, problem: "the broker does not answer")
    }

    /// Neither host nor user of a server: everyone on the site's network sees this.
    private static func server(_ connection: IngestHealth.Connection) -> LiveState.Server {
        LiveState.Server(
            isConnected: connection.isConnected, sinceS: connection.sinceMicros / 1_000_000,
            problem: connection.isConnected ? nil : "not connected")
    }

    var pages: [String: Page] {
        WallPages.all.mapValues { Page(contentType: $0.contentType, bytes: $0.bytes) }
    }

    var live: LiveEndpoints {
        LiveEndpoints(hub: hub, once: { [state] in state.frame($0) }, fleet: { [state] in state.fleet })
    }

    var people: PeopleEndpoints {
        PeopleEndpoints { [desk] path, query, later in desk.accept(path, query) { later.answer($0) } }
    }

    /// Messages in the queue of dead letters; `nil` while they are unknown. Never blocks.
    var deadLetters: Int? { depths.counts.dead }

    var services: [Service] { [access.service(), depths.service(), state.service(), desk.service()] }
}
