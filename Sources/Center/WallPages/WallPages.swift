/// The pages of the wall: HTML, style sheets and scripts, embedded in the program.
package enum WallPages {
    /// Content type and bytes of each file, by its path. `/zone/` is the page of every `/zone/NAME`.
    package static let all: [String: (contentType: String, bytes: [UInt8])] = [
        "/": (html, PackageResources.wall_html),
        "/zone/": (html, PackageResources.zone_html),
        "/login": (html, PackageResources.login_html),
        "/icon.svg": ("image/svg+xml", PackageResources.icon_svg),
        "/base.css": (css, PackageResources.base_css),
        "/find.css": (css, PackageResources.find_css),
        "/login.css": (css, PackageResources.login_css),
        "/parts.css": (css, PackageResources.parts_css),
        "/wall.css": (css, PackageResources.wall_css),
        "/zone.css": (css, PackageResources.zone_css),
        "/alarms.js": (script, PackageResources.alarms_js),
        "/arrivals.js": (script, PackageResources.arrivals_js),
        "/dom.js": (script, PackageResources.dom_js),
        "/find.js": (script, PackageResources.find_js),
        "/fleet.js": (script, PackageResources.fleet_js),
        "/format.js": (script, PackageResources.format_js),
        "/gates.js": (script, PackageResources.gates_js),
        "/ingest.js": (script, PackageResources.ingest_js),
        "/login.js": (script, PackageResources.login_js),
        "/page.js": (script, PackageResources.page_js),
        "/refused.js": (script, PackageResources.refused_js),
        "/stream.js": (script, PackageResources.stream_js),
        "/wall.js": (script, PackageResources.wall_js),
        "/words-ar-more.js": (script, PackageResources.words_ar_more_js),
        "/words-ar.js": (script, PackageResources.words_ar_js),
        "/words-en.js": (script, PackageResources.words_en_js),
        "/words.js": (script, PackageResources.words_js),
        "/zone.js": (script, PackageResources.zone_js),
        "/zones.js": (script, PackageResources.zones_js),
    ]

    private static let html = "text/html; charset=utf-8"
    private static let css = "text/css; charset=utf-8"
    private static let script = "text/javascript; charset=utf-8"
}
