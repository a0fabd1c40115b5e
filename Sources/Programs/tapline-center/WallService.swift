import CLI
import CenterHTTP
import HTTPServer
import LinuxSystem
import Runtime
import ViewerAccess
import WallPages

/// The wall in the daemon: its pages, and who may see them.
struct WallService: Sendable {
    static let options = [
        Option(
            "open-counts", "NETWORKS",
            "networks that see counts without a token: loopback, private, NET such as 192.0.2.0/24, separated by commas; "
                + "none; or any, also behind a proxy", default: "private"),
        Option(
            "http-name", "HOST",
            "name of this server by which these networks may see counts; numbers, names without "
                + "a dot, and names such as center.local always may", kind: .repeated),
    ]

    private let access: ViewerAccess
    let viewers: ViewerPolicy

    init(_ arguments: Arguments, databaseURL: String) throws {
        let text = try arguments.required("open-counts")
        guard let open = OpenNetworks(text) else {
            throw ProgramError.configuration(
                "--open-counts \(text): must be any, none, or a list of loopback, private and networks such as "
                    + "192.0.2.0/24 or 2001:db8::/32, whose bits after the length are 0")
        }
        let access = ViewerAccess(databaseURL: databaseURL)
        self.access = access
        viewers = ViewerPolicy(open: open, names: arguments.all("http-name")) { access.validity(token: $0) }
    }

    var pages: [String: Page] {
        WallPages.all.mapValues { Page(contentType: $0.contentType, bytes: $0.bytes) }
    }

    var services: [Service] { [access.service()] }
}
