import FuzzDriver

@testable import RegistrationLists

/// Answers of the API of pretix.
@main enum FuzzPretix {
    static func main() {
        fuzz { bytes in
            guard let page = try? PretixPage(json: bytes) else { return }
            precondition(JSONLimits.problem(bytes) == nil)
            var pages = PretixPages()
            try? pages.add(page, from: "a.json")
            try? pages.add(page, from: "b.json")
            try? pages.check()
        }
    }
}
