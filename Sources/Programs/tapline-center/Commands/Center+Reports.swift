import CLI

extension Center {
    static let reports: [Command] = []
}
